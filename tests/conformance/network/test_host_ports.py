"""Ports of a node that lead to pods on it (sig-network)."""

from __future__ import annotations

import pytest

from conformance.network.scene import TCP, UDP, Scene, on, serving
from conformance.node.pods import pod

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

NUMBER = 54323


def test_the_same_port_at_other_addresses_and_protocols(scene: Scene) -> None:
    """Conformance: Scheduling, HostPort matching and HostIP and Protocol not-matching"""
    node, address = next(iter(scene.nodes.items()))

    def publish(name: str, host: str, protocol: str) -> None:
        port = {
            "hostPort": NUMBER,
            "hostIP": host,
            "protocol": protocol,
            "containerPort": UDP if protocol == "UDP" else TCP,
        }
        scene.create(pod(name, serving(ports=[port]), **on(node)))

    publish("hostport-1", "127.0.0.1", "TCP")
    publish("hostport-2", address, "TCP")
    publish("hostport-3", address, "UDP")
    scene.ready("hostport-1", "hostport-2", "hostport-3")
    for name in ("hostport-1", "hostport-2", "hostport-3"):
        assert scene.get(name)["spec"]["nodeName"] == node
    scene.reaches("host-1", f"-s {address} 127.0.0.1", NUMBER, {"hostport-1"})
    for asker in ("host-1", "host-2", "asker-1", "asker-2"):
        scene.reaches(asker, address, NUMBER, {"hostport-2"})
        scene.reaches(asker, address, NUMBER, {"hostport-3"}, udp=True)

    publish("hostport-4", address, "UDP")
    scene.until("hostport-4", lambda found: found["status"].get("conditions"))
    (condition,) = scene.get("hostport-4")["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "False")
    assert "didn't have free ports for the requested pod ports" in condition["message"]
    for index in range(1, 5):
        scene.delete(f"hostport-{index}")
