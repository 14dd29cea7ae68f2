"""The API server dials nodes, pods and Services for whoever may ask: it must not be led to itself, nor to its machine.

CVE-2022-3294, CVE-2020-8562, CVE-2020-8561 (security lesson 4).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attack.joining import MERGE, Joiner, join_token
from integration.apiserver.process import ControlPlane, control_plane

# Each is this machine, the cloud's metadata or nobody, some of them in another's dress.
FORBIDDEN = (
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "0.0.0.1", "::", "::1", "::ffff:127.0.0.1", "::FFFF:7f00:1", "::127.0.0.1",
    "64:ff9b::7f00:1", "2002:7f00:1::", "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
    "fe80::1", "224.0.0.1", "::ffff:224.0.0.1", "ff02::1", "255.255.255.255",
    "10.96.0.1", "::ffff:10.96.0.1",  # the `kubernetes` Service: a node's rules would lead back
)  # fmt: skip
POD = {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": False}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane")) as found:
        join_token(found)
        yield found


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Something else on the server's machine, on all its addresses."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as found:
        found.settimeout(0.2)
        yield found


def heard(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except TimeoutError:
        return False
    return True


def reported(address: str, port: int) -> dict[str, Any]:
    addresses = [{"type": "InternalIP", "address": address}]
    return {"status": {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}}


@pytest.mark.parametrize(
    "name",
    ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost",
     "127.0.0.1", "10.96.0.1"],
)  # fmt: skip
def test_no_node_gets_a_name_that_the_server_serves_under(plane: ControlPlane, tmp_path: Path, name: str) -> None:
    """A machine with a join token is `kubernetes`, at the server's port: `get nodes/proxy` becomes system:masters."""
    node = Joiner(plane, name).context(tmp_path)
    code, made, _ = plane.ask("POST", "/api/v1/nodes", {"metadata": {"name": name}, "spec": {}}, context=node)
    assert (code, made["reason"]) == (403, "Forbidden"), made
    assert plane.ask("POST", "/api/v1/nodes", {"metadata": {"name": name}, "spec": {}})[0] == 403, "nor from others"


def test_a_node_leads_to_no_address_of_the_servers_machine(plane: ControlPlane, listener: socket.socket) -> None:
    assert plane.ask("POST", "/api/v1/nodes", {"metadata": {"name": "edge"}, "spec": {}})[0] == 201
    pod = {"metadata": {"name": "edge"}, "spec": {**POD, "nodeName": "edge"}}
    assert plane.ask("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})[0] in (
        201,
        409,
    )
    assert plane.ask("POST", "/api/v1/namespaces/default/pods", pod)[0] == 201
    for address in FORBIDDEN:
        for port in (plane.port, listener.getsockname()[1]):
            assert plane.ask("PATCH", "/api/v1/nodes/edge/status", reported(address, port), **MERGE)[0] == 200
            for path in ("/api/v1/nodes/edge/proxy/metrics", "/api/v1/namespaces/default/pods/edge/log"):
                code, answer, _ = plane.ask("GET", path)
                assert (code, "address not allowed" in answer["message"]) == (500, True), (address, path, answer)
    assert not heard(listener)
    _, usage, _ = plane.ask("GET", "/apis/metrics.k8s.io/v1beta1/nodes")
    assert usage["items"] == []
    assert not heard(listener)


def test_a_pod_leads_to_no_address_of_the_servers_machine(plane: ControlPlane, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    plane.ask("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    assert plane.ask("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "p"}, "spec": POD})[0] == 201
    for address in FORBIDDEN:
        told = {"status": {"podIP": address, "podIPs": [{"ip": address}]}}
        stored = plane.ask("PATCH", "/api/v1/namespaces/default/pods/p/status", told, **MERGE)[0]
        if address.lower().startswith("::ffff:"):
            assert stored == 422, address
            continue
        assert stored == 200, address
        code, answer, _ = plane.ask("GET", f"/api/v1/namespaces/default/pods/p:{port}/proxy/x")
        assert (code, answer["message"]) == (400, "address not allowed"), address
    assert not heard(listener)


def test_a_service_leads_to_no_address_of_the_servers_machine(plane: ControlPlane, listener: socket.socket) -> None:
    """Loopback in another's dress came through validation and the proxy alike."""
    port = listener.getsockname()[1]
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    assert plane.ask("POST", "/api/v1/namespaces/default/services", service)[0] == 201
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    for number, address in enumerate(FORBIDDEN):
        made = {
            "metadata": {"name": f"s-{number}", "labels": {"kubernetes.io/service-name": "s"}},
            "addressType": "IPv6" if ":" in address else "IPv4",
            "endpoints": [{"addresses": [address]}], "ports": [{"name": "", "port": port}],
        }  # fmt: skip
        made_code = plane.ask("POST", slices, made)[0]
        if made_code == 201:  # the proxy is not to rest on validation
            family = [made["addressType"]]
            assert plane.ask("GET", f"{slices}/s-{number}")[0] == 200
            code, answer, _ = plane.ask("GET", "/api/v1/namespaces/default/services/s/proxy/x")
            if family == ["IPv4"]:
                assert (code, answer["message"]) == (400, "address not allowed"), address
            plane.ask("DELETE", f"{slices}/s-{number}")
        else:
            assert made_code == 422, address
    assert not heard(listener)
