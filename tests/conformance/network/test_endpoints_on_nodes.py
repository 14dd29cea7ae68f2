"""Who stands behind a Service, of pods on real nodes (sig-network)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.beside import beside
from conformance.node.pods import PATIENT, container, is_ready, pod, until
from conformance.work import Work, labels_of
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

MANAGED = "endpointslice.kubernetes.io/managed-by"
Found = set[tuple[str, int]]  # names of pods, and ports on them
BOTH = {("pod1", 3000), ("pod2", 3001)}
FIRST = {("pod1", 3000)}


def slices(work: Work, of: str) -> list[Object]:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{work.namespace}/endpointslices"
    found: list[Object] = work.api.get(f"{path}?labelSelector=kubernetes.io/service-name={of}")["items"]
    return found


def in_slices(work: Work, of: str) -> Found:
    found: Found = set()
    for piece in slices(work, of):
        assert piece["addressType"] == "IPv4" and labels_of(piece)[MANAGED] == "endpointslice-controller.k8s.io"
        for endpoint in piece.get("endpoints") or ():
            target = endpoint["targetRef"]
            node = names(work, target, endpoint["addresses"][0])
            assert node in ("", endpoint["nodeName"]) and endpoint["conditions"]["ready"] is True
            found |= {(target["name"], port["port"]) for port in piece["ports"]}
    return found


def in_endpoints(work: Work, of: str) -> Found:
    found: Found = set()
    for subset in work.read("Endpoint", of).get("subsets", ()):
        for address in (*subset.get("addresses", ()), *subset.get("notReadyAddresses", ())):
            names(work, address["targetRef"], address["ip"])
            found |= {(address["targetRef"]["name"], port["port"]) for port in subset["ports"]}
    return found


def names(work: Work, target: Object, ip: str) -> str:
    """The pod at this address; its node, or "" of a pod that has just gone."""
    there = work.every().get(target["name"])
    if there is None:
        return ""
    assert (target["kind"], target["namespace"], target["uid"]) == ("Pod", work.namespace, there["metadata"]["uid"])
    assert ip == there["status"]["podIP"]
    node: str = there["spec"]["nodeName"]
    return node


def listening(name: str, labels: dict[str, str], **ports: int) -> Object:
    listed = [{"name": port.replace("_", "-"), "containerPort": number} for port, number in ports.items()]
    return pod(name, container(PATIENT, ports=listed), labels=labels, restartPolicy="Always")


def two_pods_and_three_services(work: Work) -> None:
    """A Service for the first pod, by number; one for both, by a name that means another port on each; one for none."""
    work.create(
        listening("pod1", {"pod1": "on", "shared": "on"}, example_name=3000),
        listening("pod2", {"pod2": "on", "shared": "on"}, other_port=3002, example_name=3001),
    )

    def service(name: str, port: Object, **selector: str) -> None:
        work.make("Service", name, {"selector": selector, "publishNotReadyAddresses": True, "ports": [port]})

    service("by-number", {"name": "example", "port": 80, "targetPort": 3000, "protocol": "TCP"}, pod1="on")
    service("by-name", {"name": "http", "port": 80, "targetPort": "example-name"}, shared="on")
    service("nobody", {"name": "none", "port": 80, "targetPort": 8080}, pod3="on")
    work.until("pod1", is_ready)
    work.until("pod2", is_ready)


def comes_to(work: Work, found: Callable[[Work, str], Found], of: str, wanted: Found) -> None:
    until(lambda: found(work, of) == wanted, lambda: f"{of}: {found(work, of)}, not {wanted}")


@beside
def test_endpoint_slices_for_pods(work: Work) -> None:
    """Conformance: EndpointSlice, creation/deletion"""
    two_pods_and_three_services(work)
    for found in (in_slices, in_endpoints):
        comes_to(work, found, "by-number", FIRST)
        comes_to(work, found, "by-name", BOTH)
        comes_to(work, found, "nobody", set())
    assert len(slices(work, "by-number")) == 1
    assert len(slices(work, "by-name")) == 2, "one for each set of ports"
    (empty,) = slices(work, "nobody")
    assert not empty.get("endpoints") and not empty.get("ports")
    before = {piece["metadata"]["uid"] for piece in slices(work, "by-name")}
    path = f"/apis/discovery.k8s.io/v1/namespaces/{work.namespace}/endpointslices"
    work.api.ask("DELETE", f"{path}?labelSelector=kubernetes.io/service-name=by-name")
    comes_to(work, in_slices, "by-name", BOTH)
    assert not before & {piece["metadata"]["uid"] for piece in slices(work, "by-name")}, "made anew"
    work.delete("pod2")
    comes_to(work, in_slices, "by-name", FIRST)
    for name in ("by-number", "by-name", "nobody"):
        work.remove("Service", name)
        until(lambda of=name: not slices(work, of), f"slices of {name} are left")  # type: ignore[misc]


@beside
def test_endpoints_for_pods(work: Work) -> None:
    """Conformance: Endpoints, creation/deletion"""
    two_pods_and_three_services(work)
    comes_to(work, in_endpoints, "by-number", FIRST)
    comes_to(work, in_endpoints, "by-name", BOTH)
    comes_to(work, in_endpoints, "nobody", set())
    assert len(work.read("Endpoint", "by-name")["subsets"]) == 2, "one for each set of ports"
    (port,) = work.read("Endpoint", "by-number")["subsets"][0]["ports"]
    assert port == {"name": "example", "port": 3000, "protocol": "TCP"}
    work.delete("pod2")
    comes_to(work, in_endpoints, "by-name", FIRST)
    work.remove("Service", "by-name")
    until(lambda: not work.is_left("Endpoint", "by-name"), "its Endpoints are left")
