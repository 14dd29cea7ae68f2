"""system:masters is allowed everything before anything is asked: nothing that is in use may be in it (CIS 5.1.7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from integration.apiserver.process import ControlPlane, control_plane

BINDING = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/longboat:cluster-admins"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane")) as found:
        yield found


def groups(certificate: Path) -> list[str]:
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return [str(each.value) for each in found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def test_only_the_emergency_credential_is_in_it(plane: ControlPlane) -> None:
    """Both the administrator's kubeconfig and what the server shows to nodes were."""
    found = {path.stem: groups(path) for path in (plane.data / "pki").glob("*.crt")}
    assert [name for name, where in found.items() if "system:masters" in where] == ["super-admin"]
    assert found["admin"] == ["longboat:cluster-admins"]
    assert found["apiserver-kubelet-client"] == []


def test_what_a_stolen_kubeconfig_may_can_be_taken_back(plane: ControlPlane) -> None:
    review = {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/x"}}}
    asked = ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert plane.ask(*asked)[1]["status"]["allowed"]
    emergency = plane.context(client=False)
    emergency.load_cert_chain(plane.data / "pki" / "super-admin.crt", plane.data / "pki" / "super-admin.key")
    assert plane.ask("DELETE", BINDING, context=emergency)[0] == 200
    assert plane.ask("GET", "/api/v1/secrets")[0] == 403
    assert not plane.ask(*asked)[1]["status"]["allowed"]
    assert plane.ask("GET", "/api/v1/secrets", context=emergency)[0] == 200


def test_the_server_may_do_at_nodes_what_it_needs_and_nothing_elsewhere(plane: ControlPlane) -> None:
    client = plane.context(client=False)
    pki = plane.data / "pki"
    client.load_cert_chain(pki / "apiserver-kubelet-client.crt", pki / "apiserver-kubelet-client.key")
    for path in (
        "/api/v1/secrets",
        "/api/v1/namespaces/kube-system/pods",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    ):
        assert plane.ask("GET", path, context=client)[0] == 403, path
    for verb, part in (("get", "metrics"), ("create", "proxy"), ("get", "stats")):
        wanted = {"verb": verb, "resource": "nodes", "subresource": part, "name": "n"}
        review = {"spec": {"resourceAttributes": wanted}}
        made = plane.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review, context=client)
        assert made[1]["status"]["allowed"], part
