"""Services without selector, in front of EndpointSlices that somebody keeps by hand (sig-network)."""

from __future__ import annotations

import pytest

from conformance.network.scene import TCP, Scene, port, serving
from conformance.node.pods import pod
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

TWINS = {"castor": 8090, "pollux": 9090}


def piece(service: str, number: int, ip: str, target: int) -> Object:
    """A slice with one endpoint for the Service's port of this number."""
    labels = {"kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": "e2e-test"}
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {"name": f"{service}-{number}", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}}],
        "ports": [{"name": f"tcp-{number}", "port": target, "protocol": "TCP"}],
    }


def check(scene: Scene, name: str, first: Object, second: Object, wanted: tuple[str, str]) -> None:
    address = scene.service(name, port(80), port(81))["clusterIP"]
    for each in (first, second):
        scene.make(each)
    for asker in scene.names("asker"):
        scene.reaches(asker, address, 80, {wanted[0]})
        scene.reaches(asker, address, 81, {wanted[1]})
    scene.remove("Service", name)


def test_several_addresses(scene: Scene) -> None:
    """Conformance: EndpointSlice, multiple IPs, multiple ports"""
    (one, first), (other, second) = scene.servers.items()
    name = "custom-addresses"
    check(scene, name, piece(name, 80, first, TCP), piece(name, 81, second, TCP), (one, other))


def test_several_ports_of_one_address(scene: Scene) -> None:
    """Conformance: EndpointSlice, single IP, multiple ports"""
    name = "custom-ports"
    containers = [serving(tcp=number, udp=number, name=says, says=says) for says, number in TWINS.items()]
    scene.create(pod("twins", *containers, labels={"role": "twins"}))
    scene.ready("twins")
    ip = scene.addresses("role=twins")["twins"]
    first, second = (piece(name, index, ip, number) for index, number in zip((80, 81), TWINS.values(), strict=True))
    check(scene, name, first, second, ("castor", "pollux"))
    scene.delete("twins")
