"""Who somebody is: no certificate, token or header names two, names by halves, or outlives what it stands for."""

from __future__ import annotations

import asyncio
import base64
import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from attack.test_verbs import grant
from longboat.aio.clock import Clock, SystemClock, VirtualClock
from longboat.apiserver.authn.certificates import client_certificates
from longboat.apiserver.authn.front_proxy import FrontProxy, front_proxy
from longboat.apiserver.authn.identity import Rejected
from longboat.apiserver.authn.tokens import bearer
from longboat.apiserver.pki import Pki
from longboat.apiserver.request import Request
from longboat.controllers.certificates.requests import BadRequest, read
from longboat.controllers.certificates.signing import Signer
from longboat.node.serve import http
from unit.apiserver.harness import ADMIN, Api, api_server, play, user

CORE = "/api/v1/namespaces/default"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
UID = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")
CN, ORG = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME
NODE = user("system:node:n1", "system:nodes")
Attributes = list[tuple[x509.ObjectIdentifier, str]]


def subject(attributes: Attributes) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def request_for(*attributes: tuple[x509.ObjectIdentifier, str]) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(subject(list(attributes))).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def signing(request: str, signer: str, *usages: str) -> dict[str, Any]:
    spec = {"request": request, "signerName": f"kubernetes.io/{signer}", "usages": list(usages) or ["client auth"]}
    return {"metadata": {"generateName": "csr-"}, "spec": spec}


def certificate(pki: Pki, front: bool, clock: Clock, attributes: Attributes, key_at: Path | None = None) -> bytes:
    """DER of a client's certificate that names what no signer here would let it name."""
    authority, key, now = pki.front_proxy if front else pki.ca, ec.generate_private_key(ec.SECP256R1()), clock.now()
    name = authority.certificate.subject
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.certificate.public_key())  # type: ignore[arg-type]
    made = (
        x509.CertificateBuilder().subject_name(subject(attributes)).issuer_name(name).public_key(key.public_key())
        .serial_number(7).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(identifier, critical=False).sign(authority.key, hashes.SHA256())
    )  # fmt: skip
    if key_at is not None:
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        key_at.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return made.public_bytes(serialization.Encoding.DER)


class Fields(dict[str, str]):
    """Headers of which some come twice."""

    def __init__(self, *fields: tuple[str, str]) -> None:
        super().__init__(reversed(fields))  # the first is what a plain look finds
        self._all = fields

    def getall(self, name: str, default: Any = ()) -> list[str]:
        return [value for key, value in self._all if key == name] or list(default)


async def nothing(limit: int) -> bytes:
    return b""


TWICE: list[Attributes] = [[(CN, "jane"), (CN, "kubernetes-admin")], [(CN, "jane"), (UID, "1"), (UID, "2")]]


@pytest.mark.parametrize("names", TWICE, ids=["common names", "UIDs"])
def test_a_certificate_that_names_two_is_nobodys(tmp_path: Path, names: Attributes) -> None:
    """Before, this server took the first; what is written in Go beside it takes the last."""
    clock = VirtualClock()
    pki = Pki(tmp_path, clock)
    identify = client_certificates(pki.ca.pair.certificate, clock)

    def who(attributes: Attributes) -> Any:
        der = certificate(pki, False, clock, attributes)
        return asyncio.run(identify(Request("GET", "/", {}, {}, nothing, peer_certificate=der)))  # type: ignore[arg-type]

    assert who([(CN, "jane"), (ORG, "a"), (ORG, "b"), (UID, "1")]).groups == ("a", "b", "system:authenticated")
    with pytest.raises(Rejected):
        who(names)


def test_a_nodes_port_knows_no_caller_of_two_names(tmp_path: Path) -> None:
    async def main() -> None:
        clock = SystemClock()
        pki = Pki(tmp_path, clock)
        serving = pki.serving(["127.0.0.1"])
        callers: list[http.Caller] = []

        async def node(request: http.Request) -> http.Answer:
            callers.append(request.caller)
            return http.Answer()

        server = http.Server(node, http.tls(serving.certificate, serving.key, pki.ca.pair.certificate), clock)
        port = await server.listen("127.0.0.1", 0)
        try:
            for names in ([(CN, "jane")], [(CN, "jane"), (CN, "system:longboat:csi")]):
                certificate(pki, False, clock, names, tmp_path / "client.pem")
                context = ssl.create_default_context(cafile=str(pki.ca.pair.certificate))
                context.load_cert_chain(tmp_path / "client.pem")
                async with asyncio.timeout(20):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
                    writer.write(b"GET / HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n")
                    answer = await reader.read()
                    writer.close()
                assert answer.startswith(b"HTTP/1.1 200 ") == (len(names) == 1)
            assert callers == [http.Caller("jane")]
        finally:
            await server.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("names", "headers"),
    [
        ([(CN, "somebody"), (CN, "front-proxy-client")], [("x-remote-user", "jane")]),
        ([(CN, "front-proxy-client")], [("x-remote-user", "jane"), ("x-remote-user", "mallory")]),
        ([(CN, "front-proxy-client")], [("x-remote-user", "jane"), ("x-remote-uid", "1"), ("x-remote-uid", "2")]),
    ],
    ids=["a proxy of two names", "two users", "two UIDs"],
)
def test_a_front_proxy_names_one(tmp_path: Path, names: Attributes, headers: list[tuple[str, str]]) -> None:
    clock = VirtualClock()
    pki = Pki(tmp_path, clock)
    der, identify = (
        certificate(pki, True, clock, names),
        front_proxy(FrontProxy(pki.front_proxy.pair.certificate), clock),
    )
    with pytest.raises(Rejected):
        asyncio.run(identify(Request("GET", "/", {}, Fields(*headers), nothing, peer_certificate=der)))  # type: ignore[arg-type]


def test_a_request_has_one_token() -> None:
    two = Fields(("authorization", "Bearer mine"), ("authorization", "Bearer theirs"))
    with pytest.raises(Rejected):
        bearer(Request("GET", "/", {}, two, nothing))
    assert bearer(Request("GET", "/", {}, Fields(("authorization", "Bearer mine")), nothing)) == "mine"


def test_a_request_that_names_two_is_not_signed(tmp_path: Path) -> None:
    """And what is signed says nothing but what was judged: no UID of somebody else beside the name."""
    clock = VirtualClock()
    pki = Pki(tmp_path, clock)
    with pytest.raises(BadRequest, match="the subject has 2 common names"):
        read(request_for((CN, "jane"), (CN, "kubernetes-admin")))
    wanted = read(request_for((ORG, "team"), (CN, "jane"), (UID, "1"), (NameOID.TITLE, "queen")))
    signer = Signer(pki.ca.certificate, pki.ca.key)
    made = x509.load_pem_x509_certificate(signer.sign(wanted, ["client auth"], clock.now(), None).encode())
    assert [(a.oid, a.value) for a in made.subject] == [(ORG, "team"), (CN, "jane")]

    async def scene(api: Api) -> None:
        await grant(api, "jane", ["create"], "x")
        for names, why in (
            ([(CN, "a"), (CN, "b")], "failed to parse CSR: the subject has 2 common names"),
            ([(CN, "a"), (ORG, "system:masters")], "with system:masters group is not allowed"),
            ([(CN, "system:longboat:csi")], "with common name system:longboat:csi is not allowed"),
        ):
            code, answer = await api.ask("POST", CSRS, signing(request_for(*names), "kube-apiserver-client"), ADMIN)
            assert code == 403 and why in answer["message"]

    play(scene)


def test_a_node_asks_for_no_other_nodes_certificate() -> None:
    """Before, the request was there for anybody to approve."""

    async def scene(api: Api) -> None:
        for signer, prefix in (
            ("kubelet-serving", "system:node:"), ("kube-apiserver-client-kubelet", "system:node:"),
            ("kube-apiserver-client", "system:longboat:network:"),
        ):  # fmt: skip
            own = request_for((CN, f"{prefix}n1"), (ORG, "system:nodes"))
            assert (await api.ask("POST", CSRS, signing(own, signer), NODE))[0] == 201
            for names in ([(CN, f"{prefix}n2")], [(CN, f"{prefix}n1"), (CN, f"{prefix}n2")], [(CN, f"{prefix}n1x")]):
                code, answer = await api.ask("POST", CSRS, signing(request_for(*names), signer), NODE)
                assert code == 403, names
                if len(names) == 1:
                    assert answer["message"].endswith(f" is forbidden: can only create a node CSR with CN={prefix}n1")
        code, answer = await api.ask("POST", CSRS, signing("eHh4", "kubelet-serving"), NODE)
        assert code == 403 and "unable to parse csr: PEM block type must be CERTIFICATE REQUEST" in answer["message"], (
            answer
        )

    play(scene)


def test_a_node_asks_for_tokens_that_its_pods_use(tmp_path: Path) -> None:
    """Before, a node got a token for any audience: for a vault, say, that trusts this cluster's accounts."""

    async def scene(api: Api) -> None:
        await api.make(f"{CORE}/serviceaccounts", {"metadata": {"name": "default"}})
        driver = {"attachRequired": False, "tokenRequests": [{"audience": "driver"}]}
        for name in ("d.example", "e.example"):
            spec = driver if name == "d.example" else {"tokenRequests": [{"audience": "other"}]}
            await api.make("/apis/storage.k8s.io/v1/csidrivers", {"metadata": {"name": name}, "spec": spec})
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": "pv"}
        for name in ("claim", "p-scratch"):
            await api.make(f"{CORE}/persistentvolumeclaims", {"metadata": {"name": name}, "spec": claim})
        volume = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                  "csi": {"driver": "e.example", "volumeHandle": "h"}}  # fmt: skip
        await api.make("/api/v1/persistentvolumes", {"metadata": {"name": "pv"}, "spec": volume})
        template = {"spec": {k: v for k, v in claim.items() if k != "volumeName"}}
        sources = [{"serviceAccountToken": {"path": "t", "audience": "vault"}}]
        pods: dict[str, tuple[list[dict[str, Any]], set[str]]] = {
            "projected": ([{"name": "v", "projected": {"sources": sources}}], {"vault"}),
            "inline": ([{"name": "v", "csi": {"driver": "d.example"}}], {"driver"}),
            "claimed": ([{"name": "v", "persistentVolumeClaim": {"claimName": "claim"}}], {"other"}),
            "p": ([{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}], {"other"}),
            "bare": ([], set()),
            "ordinary": ([], {""}),
        }
        for name, (volumes, allowed) in pods.items():
            spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}], "volumes": volumes}
            spec["automountServiceAccountToken"] = name == "ordinary"
            made = await api.make(f"{CORE}/pods", {"metadata": {"name": name}, "spec": spec})
            ref = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": made["metadata"]["uid"]}
            for audience in ("", "vault", "driver", "other", "elsewhere"):
                asked = {"spec": {"boundObjectRef": ref, "audiences": [audience] if audience else []}}
                code, answer = await api.ask("POST", f"{CORE}/serviceaccounts/default/token", asked, NODE)
                assert code == (201 if audience in allowed else 403), (name, audience)
                if code == 403:
                    assert answer["message"] == (
                        f'serviceaccounts "default" is forbidden: audience "{audience}" not found in pod spec volume, '
                        "system:node:n1 is not authorized to request tokens for this audience"
                    )
        asked["spec"]["audiences"] = ["a", "b"]
        code, answer = await api.ask("POST", f"{CORE}/serviceaccounts/default/token", asked, NODE)
        assert code == 403 and answer["message"].endswith("node may only request 0 or 1 audiences")
        await grant(api, NODE.name, ["request-serviceaccounts-token-audience"], "registry.example")
        asked["spec"]["audiences"] = ["registry.example"]
        assert (await api.ask("POST", f"{CORE}/serviceaccounts/default/token", asked, NODE))[0] == 201

    play(scene, service_account_key=Pki(tmp_path, VirtualClock()).service_account_key)


def test_a_node_keeps_its_owners() -> None:
    """Before, it could take away or exchange those that somebody had given it (CVE-2025-5187)."""

    async def scene(api: Api) -> None:
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "pool", "uid": "u"}
        await api.make("/api/v1/nodes", {"metadata": {"name": "n1", "ownerReferences": [owner]}}, ADMIN)
        merge = {"content_type": "application/merge-patch+json"}
        for path in ("/api/v1/nodes/n1", "/api/v1/nodes/n1/status"):
            for owners in ([], [{**owner, "uid": "v"}], [owner, {**owner, "name": "w", "uid": "w"}]):
                patch = {"metadata": {"ownerReferences": owners}}
                code, answer = await api.ask("PATCH", path, patch, NODE, **merge)
                assert code == 403, owners
                why = 'is forbidden: node "n1" is not allowed to modify ownerReferences'
                assert answer["message"] == f'nodes "n1" {why}'
        patch = {"metadata": {"labels": {"a.example/b": "c"}}}
        assert (await api.ask("PATCH", "/api/v1/nodes/n1", patch, NODE, **merge))[0] == 200
        for source in ({"configMap": {"name": "x", "namespace": "y", "kubeletConfigKey": "k"}},):
            code, answer = await api.ask("PATCH", "/api/v1/nodes/n1", {"spec": {"configSource": source}}, NODE, **merge)
            assert code == 403 and "to a new non-nil configSource" in answer["message"]

    play(scene)


@pytest.mark.parametrize("plural", ["serviceaccounts", "pods", "secrets", "nodes"])
def test_tokens_end_with_what_they_stand_for(tmp_path: Path, plural: str) -> None:
    """Before, a finalizer kept an account's tokens good for as long as somebody liked."""
    clock = VirtualClock()

    async def main() -> None:
        key = Pki(tmp_path, clock).service_account_key
        async with asyncio.timeout(50), api_server(clock, service_account_key=key) as api:
            held = {"finalizers": ["example.com/held"]}
            await api.make(f"{CORE}/serviceaccounts", {"metadata": {"name": "default", **held}})
            base = "/api/v1" if plural == "nodes" else CORE
            spec = {"containers": [{"name": "c", "image": "i"}]} if plural == "pods" else {}
            name, ref = "default", None
            if plural != "serviceaccounts":
                name = "x"
                body = {"metadata": {"name": name, **held}, **({"spec": spec} if spec else {})}
                made = await api.make(f"{base}/{plural}", body)
                ref = {"apiVersion": "v1", "kind": made["kind"], "name": name, "uid": made["metadata"]["uid"]}
            asked = {"spec": {"expirationSeconds": 3600, **({"boundObjectRef": ref} if ref else {})}}
            given = await api.make(f"{CORE}/serviceaccounts/default/token", asked)
            token = given["status"]["token"]

            async def good() -> bool:
                code, _ = await api.ask("POST", REVIEW, {}, None, authorization=f"Bearer {token}")
                review = {"spec": {"token": token}}
                _, found = await api.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
                assert (code == 201) == found["status"].get("authenticated", False)
                return code == 201

            assert await good()
            await api.ask("DELETE", f"{base}/{plural}/{name}")
            _, going = await api.ask("GET", f"{base}/{plural}/{name}")
            assert await good()
            at = datetime.fromisoformat(going["metadata"]["deletionTimestamp"])
            await clock.advance(at - clock.now() + timedelta(seconds=59))
            assert await good()
            await clock.advance(2)
            assert not await good()

    asyncio.run(main())


HALVES = [
    ({"impersonate_uid": "x"}, 'UID:"x", Groups:[]string(nil), Extra:map[string][]string(nil)'),
    ({"impersonate_group": "g"}, 'UID:"", Groups:[]string{"g"}, Extra:map[string][]string(nil)'),
    ({"impersonate_extra_k": "v"}, 'UID:"", Groups:[]string(nil), Extra:map[string][]string{"k":[]string{"v"}}'),
    ({"impersonate_user": "", "impersonate_group": "g"},
     'UID:"", Groups:[]string{"g"}, Extra:map[string][]string(nil)'),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "shown"), HALVES, ids=["uid", "group", "extra", "empty user"])
def test_nobody_is_impersonated_by_halves(headers: dict[str, str], shown: str) -> None:
    """Before, `extra` alone was passed over, and the request done as the requester."""

    async def scene(api: Api) -> None:
        for who in (ADMIN, user("jane"), None):
            code, answer = await api.ask("POST", REVIEW, {}, who, **headers)
            message = f'requested &user.DefaultInfo{{Name:"", {shown}}} without impersonating a user name'
            assert (code, answer["reason"], answer["message"]) == (400, "BadRequest", message)
        code, answer = await api.ask("POST", REVIEW, {}, ADMIN, impersonate_user="")
        assert (code, answer["status"]["userInfo"]["username"]) == (201, "admin")

    play(scene)


def test_a_name_that_is_no_accounts_is_a_users() -> None:
    """Before, `impersonate serviceaccounts` was enough for users whose names only begin like an account's."""

    async def scene(api: Api) -> None:
        await grant(api, "jane", ["impersonate"], "serviceaccounts")
        for name in ("default:robot", "default:robot.v2"):
            headers = {"impersonate_user": f"system:serviceaccount:{name}"}
            code, answer = await api.ask("POST", REVIEW, {}, user("jane"), **headers)
            assert (code, "system:serviceaccounts:default" in answer["status"]["userInfo"]["groups"]) == (201, True)
        for name in (":robot", "default:", "de_fault:robot", "default:Robot", "default:a:b", "default", "a.b:robot"):
            headers = {"impersonate_user": f"system:serviceaccount:{name}"}
            code, answer = await api.ask("POST", REVIEW, {}, user("jane"), **headers)
            assert code == 403 and 'cannot impersonate resource "users"' in answer["message"], name

    play(scene)


def test_an_aggregation_is_ended_by_who_could_begin_it() -> None:
    """Before, taking the rule away left all that it had gathered in the role, for good, in the hands of its writer."""

    async def scene(api: Api) -> None:
        gathers = {"clusterRoleSelectors": [{"matchLabels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}]}
        made = await api.make(f"{RBAC}/clusterroles", {"metadata": {"name": "g"}, "aggregationRule": gathers})
        role = {"metadata": {"name": "jane"}, "rules": [
            {"verbs": ["create", "update", "patch"], "apiGroups": ["rbac.authorization.k8s.io"],
             "resources": ["clusterroles"]}]}  # fmt: skip
        await api.make(f"{RBAC}/clusterroles", role)
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "jane"}
        subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]
        await api.make(f"{RBAC}/clusterrolebindings", {**role, "roleRef": ref, "subjects": subjects})
        why = "must have cluster-admin privileges to use an aggregationRule"
        without = {key: value for key, value in made.items() if key != "aggregationRule"} | {"rules": []}
        without["metadata"] = {"name": "g"}
        labelled = {**without, "aggregationRule": gathers, "metadata": {"name": "g", "labels": {"a": "b"}}}
        for body in (without, labelled):
            code, answer = await api.ask("PUT", f"{RBAC}/clusterroles/g", body, user("jane"))
            assert code == 403 and answer["message"].endswith(why), answer
        assert (await api.ask("PUT", f"{RBAC}/clusterroles/g", without))[0] == 200

    play(scene)
