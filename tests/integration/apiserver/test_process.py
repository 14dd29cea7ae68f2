"""`longboat server` as a process: TLS, kubectl, restarts, what it says when it cannot start."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.apiserver.process import KUBECTLS, SOURCE, ControlPlane, control_plane
from unit.strictly import by_openssl

ADVERTISED = "192.0.2.1"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane"), "--advertise", ADVERTISED) as found:
        yield found


def test_nobody_sees_health_and_version_alone(plane: ControlPlane) -> None:
    nobody = plane.context(client=False)
    assert plane.ask("GET", "/livez", context=nobody)[:2] == (200, b"ok")
    assert plane.ask("GET", "/version", context=nobody)[1]["minor"] == "36"
    code, status, _ = plane.ask("GET", "/api/v1/namespaces", context=nobody)
    assert (code, status["message"]) == (
        403,
        'namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces" in API group "" '
        "at the cluster scope",
    )
    assert plane.ask("GET", "/api", context=nobody, Authorization="Bearer wrong")[0] == 401


def test_only_tls_1_2_and_later(plane: ControlPlane) -> None:
    for version, works in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        context = plane.context()
        with pytest.warns(DeprecationWarning) if not works else contextlib.nullcontext():
            context.minimum_version = context.maximum_version = version
        if works:
            assert plane.ask("GET", "/livez", context=context)[0] == 200
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                plane.ask("GET", "/livez", context=context)


def test_a_stranger_s_certificate_is_refused(plane: ControlPlane, tmp_path: Path) -> None:
    from longboat.aio.clock import SystemClock
    from longboat.apiserver.pki import Pki

    pair = Pki(tmp_path, SystemClock()).client("admin", "kubernetes-admin", ("system:masters",))
    context = plane.context(client=False)
    context.load_cert_chain(pair.certificate, pair.key)
    try:
        code = plane.ask("GET", "/api/v1/secrets", context=context)[0]
    except (ssl.SSLError, ConnectionError):
        return
    assert code == 401


def test_keys_are_for_their_owner_alone(plane: ControlPlane) -> None:
    assert stat.S_IMODE(plane.data.stat().st_mode) == 0o700
    for path in plane.data.rglob("*"):
        if path.is_file() and path.suffix in (".key", ".kubeconfig", ".crt"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_kubernetes_service_and_its_endpoints(plane: ControlPlane) -> None:
    _, service, _ = plane.ask("GET", "/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIP"] == "10.96.0.1"
    _, endpoints, _ = plane.ask("GET", "/api/v1/namespaces/default/endpoints/kubernetes")
    (subset,) = endpoints["subsets"]
    assert (subset["addresses"], subset["ports"][0]["port"]) == ([{"ip": ADVERTISED}], plane.port)
    _, slices, _ = plane.ask("GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices")
    assert [s["metadata"]["name"] for s in slices["items"]] == ["kubernetes"]


@pytest.mark.skipif(not KUBECTLS, reason="needs kubectl")
@pytest.mark.parametrize("binary", KUBECTLS, ids=os.path.basename)
def test_kubectl_applies_on_the_servers_side(plane: ControlPlane, binary: str) -> None:
    name = f"{os.path.basename(binary).replace('.', '-')}-ssa"

    def applied(*flags: str, code: int = 0, **data: str) -> str:
        """What it says, of what it has applied or why not."""
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        done = plane.kubectl(binary, "apply", *flags, "-f", "-", text=json.dumps(manifest))
        assert done.returncode == code, done.stderr
        return done.stdout or done.stderr

    def owners() -> dict[str, list[str]]:
        """Of data, by who has any."""
        found = plane.ask("GET", f"/api/v1/namespaces/default/configmaps/{name}")[1]["metadata"]["managedFields"]
        return {entry["manager"]: fields for entry in found if (fields := sorted(entry["fieldsV1"].get("f:data", {})))}

    assert "created" in applied(a="1", b="1")  # from the client's side: kubectl takes over what it has so
    assert "serverside-applied" in applied("--server-side", a="2")
    assert owners()["kubectl"] == ["f:a"]
    assert "serverside-applied" in applied("--server-side", "--field-manager=other", a="2", c="1")
    told = applied("--server-side", "--field-manager=third", code=1, a="3")
    assert "Apply failed with 2 conflicts" in told and "--force-conflicts" in told
    assert "serverside-applied" in applied("--server-side", "--field-manager=third", "--force-conflicts", a="3")
    assert owners() == {"other": ["f:c"], "third": ["f:a"]}
    assert "serverside-applied" in applied("--server-side", "--field-manager=other")
    data = plane.ask("GET", f"/api/v1/namespaces/default/configmaps/{name}")[1]["data"]
    assert data.get("c") is None and data["a"] == "3"


@pytest.mark.skipif(not KUBECTLS, reason="needs kubectl")
@pytest.mark.parametrize("binary", KUBECTLS, ids=os.path.basename)
def test_kubectl(plane: ControlPlane, binary: str) -> None:
    name = os.path.basename(binary).replace(".", "-")
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}}

    def say(*arguments: str, text: str = "") -> str:
        done = plane.kubectl(binary, *arguments, text=text)
        assert (done.returncode, done.stderr) == (0, ""), (arguments, done.stderr)
        return done.stdout

    assert "kube-system" in say("get", "namespaces")
    assert f"configmap/{name} created" in say("apply", "-f", "-", text=json.dumps(manifest))
    assert f"configmap/{name} unchanged" in say("apply", "-f", "-", text=json.dumps(manifest))
    manifest["data"] = {"a": "c"}
    assert f"configmap/{name} configured" in say("apply", "-f", "-", text=json.dumps(manifest))
    assert say("get", "configmap", name, "-o", "jsonpath={.data.a}") == "c"
    assert "deployments" in say("api-resources")
    assert "containers" in say("explain", "pod.spec")
    assert say("auth", "can-i", "delete", "pods").strip() == "yes"
    assert "kubernetes-admin" in say("auth", "whoami")
    assert name in say("describe", "configmap", name)
    assert "labeled" in say("label", "configmap", name, "x=y")
    assert f'configmap "{name}" deleted' in say("delete", "configmap", name)
    gone = plane.kubectl(binary, "get", "configmap", name)
    assert gone.returncode == 1 and f'configmaps "{name}" not found' in gone.stderr


@pytest.mark.skipif(not KUBECTLS, reason="needs kubectl")
def test_a_user_made_as_the_documentation_says(plane: ControlPlane, tmp_path: Path) -> None:
    """Kubernetes' page on certificates for users: openssl, a request with `client auth` alone, kubectl."""
    key, request, made = tmp_path / "jane.key", tmp_path / "jane.csr", tmp_path / "jane.crt"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "req", "-new", "-key", key, "-out", request, "-subj", "/CN=jane/O=team"], check=True)
    spec = {
        "request": base64.b64encode(request.read_bytes()).decode(), "signerName": "kubernetes.io/kube-apiserver-client",
        "expirationSeconds": 86400, "usages": ["client auth"],
    }  # fmt: skip
    wish = {
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "jane"},
        "spec": spec,
    }  # fmt: skip

    def say(*arguments: str, text: str = "") -> str:
        done = plane.kubectl(KUBECTLS[0], *arguments, text=text)
        assert (done.returncode, done.stderr) == (0, ""), (arguments, done.stderr)
        return done.stdout

    say("apply", "-f", "-", text=json.dumps(wish))
    say("certificate", "approve", "jane")
    say("wait", "csr/jane", "--for=jsonpath={.status.certificate}", "--timeout=20s")
    made.write_bytes(base64.b64decode(say("get", "csr/jane", "-o", "jsonpath={.status.certificate}")))
    assert by_openssl(plane.data / "pki" / "ca.crt", "sslclient", made) == ""
    context = plane.context(client=False)
    context.load_cert_chain(made, key)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    code, found, _ = plane.ask("POST", path, review, context=context)
    assert code == 201 and found["status"]["userInfo"]["username"] == "jane"
    assert found["status"]["userInfo"]["groups"] == ["team", "system:authenticated"]


@pytest.mark.skipif(not KUBECTLS, reason="needs kubectl")
def test_a_token_in_a_secret(plane: ControlPlane) -> None:
    """The case of a cluster where it stayed empty for ever, as kubectl sees it."""
    annotations = {"kubernetes.io/service-account.name": "deployer"}
    kind = "kubernetes.io/service-account-token"
    for obj in (
        {"kind": "ServiceAccount", "metadata": {"name": "deployer"}},
        {"kind": "Secret", "metadata": {"name": "held", "annotations": annotations}, "type": kind},
    ):
        done = plane.kubectl(KUBECTLS[0], "apply", "-f", "-", text=json.dumps({"apiVersion": "v1", **obj}))
        assert (done.returncode, done.stderr) == (0, "")
    done = plane.kubectl(KUBECTLS[0], "wait", "secret/held", "--for=jsonpath={.data.token}", "--timeout=10s")
    assert done.returncode == 0, done.stderr
    shown = plane.kubectl(KUBECTLS[0], "describe", "secret", "held").stdout
    found = dict(line.split(":", 1) for line in shown.splitlines() if ":" in line)
    token = found["token"].strip()
    assert found["namespace"].strip() == "7 bytes" and found["ca.crt"].strip().endswith(" bytes")
    headers = {"Authorization": f"Bearer {token}"}
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path, nobody = "/apis/authentication.k8s.io/v1/selfsubjectreviews", plane.context(client=False)
    code, who, _ = plane.ask("POST", path, review, context=nobody, **headers)
    assert code == 201 and who["status"]["userInfo"]["username"] == "system:serviceaccount:default:deployer"
    assert plane.kubectl(KUBECTLS[0], "delete", "secret", "held").returncode == 0
    assert plane.ask("POST", path, review, context=nobody, **headers)[0] == 401


def test_what_was_written_survives_any_end(tmp_path: Path) -> None:
    with control_plane(tmp_path) as plane:
        configmaps = "/api/v1/namespaces/default/configmaps"
        token = "/api/v1/namespaces/default/serviceaccounts/robot/token"
        assert (
            plane.ask("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "robot"}})[0] == 201
        )
        _, issued, _ = plane.ask("POST", token, {"spec": {"expirationSeconds": 600}})
        bearer = {"Authorization": f"Bearer {issued['status']['token']}"}
        for number in (signal.SIGTERM, signal.SIGKILL):
            assert plane.ask("POST", configmaps, {"metadata": {"name": f"before-{number}"}})[0] == 201
            plane.stop(number)
            plane.start()
            assert plane.ask("GET", f"{configmaps}/before-{number}")[0] == 200
            _, me, _ = plane.ask(
                "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {},
                context=plane.context(client=False), **bearer,
            )  # fmt: skip
            assert me["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"
        assert plane.stop() == 0
        assert "Traceback" not in plane.log.read_text()


def test_a_watch_ends_properly_when_the_server_goes(tmp_path: Path) -> None:
    with control_plane(tmp_path) as plane:
        raw = socket.create_connection(("127.0.0.1", plane.port))
        with plane.context().wrap_socket(raw, server_hostname="127.0.0.1") as stream:
            stream.sendall(b"GET /api/v1/namespaces?watch=1&resourceVersion=0 HTTP/1.1\r\nHost: h\r\n\r\n")
            assert b"200 OK" in stream.recv(65536)
            assert plane.stop() == 0
            rest = b""
            while data := stream.recv(65536):
                rest += data
            assert rest.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--listen", "nonsense"], "nonsense"),
        (["--listen", "127.0.0.1:{busy}"], "{busy}"),
        (["--store", "redis://x"], "redis://x"),
        (["--token-file", "/nope/tokens"], "/nope/tokens"),
        (["--service-cidr", "banana"], "banana"),
        (["--data-dir", "/dev/null/x"], "/dev/null"),
        (["--only", "api,kitchen"], "kitchen"),
        (["--only", "scheduler"], "Add api to --only"),
        (["--listen", "192.0.2.1:443"], "192.0.2.1"),
    ],
)
def test_it_says_what_keeps_it_from_starting(tmp_path: Path, flags: list[str], words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        flags = [flag.replace("{busy}", port) for flag in flags]
        if "--listen" not in flags:
            flags += ["--listen", "127.0.0.1:0"]
        done = subprocess.run(
            [sys.executable, "-m", "longboat.cli.main", "server", "--data-dir", str(tmp_path / "d"), *flags],
            capture_output=True, text=True, timeout=30, env=os.environ | {"PYTHONPATH": SOURCE},
        )  # fmt: skip
    assert done.returncode in (1, 2)
    assert words.replace("{busy}", port) in done.stderr and "Traceback" not in done.stderr
