"""Services and the pods behind them (sig-network)."""

from __future__ import annotations

import time

import pytest

from conformance.network.scene import NOBODY, TCP, TRIO, UDP, Scene, eventually, port, serving
from conformance.node.pods import pod
from longboat.assembly.node.pause import IMAGE as PAUSE

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

ASKER = "asker-1"


def test_node_port(scene: Scene) -> None:
    """Conformance: Service, NodePort Service"""
    spec = scene.service("nodeport-test", port(80), selector=TRIO, type="NodePort")
    assert spec["clusterIP"] and 30000 <= spec["ports"][0]["nodePort"] <= 32767
    scene.reached_by(ASKER, "nodeport-test", spec, set(scene.trio))
    scene.remove("Service", "nodeport-test")


def test_endpoints_follow_pods(scene: Scene) -> None:
    """Conformance: Service, endpoints"""
    spec = scene.service("endpoint-test", port(80, 80), selector={"endpoint-test": "yes"})

    def backed_by(*pods: str) -> None:
        eventually(lambda: scene.backing("endpoint-test"), {(name, 80) for name in pods}, "endpoints")
        scene.reaches(ASKER, spec["clusterIP"], 80, set(pods) or NOBODY)

    backed_by()
    for name in ("basic-1", "basic-2"):
        scene.create(pod(name, serving(tcp=80, ports=[{"containerPort": 80}]), labels={"endpoint-test": "yes"}))
        backed_by(*("basic-1", "basic-2")[: int(name[-1])])
    scene.delete("basic-2")
    backed_by("basic-1")
    scene.delete("basic-1")
    backed_by()
    scene.remove("Service", "endpoint-test")


def test_multiport_endpoints_follow_pods(scene: Scene) -> None:
    """Conformance: Service, endpoints with multiple ports"""
    spec = scene.service(
        "multi-endpoint-test", port(80, "portname1"), port(81, "portname2"), selector={"multiport-test": "yes"}
    )

    def backed_by(*pods: tuple[str, int]) -> None:
        eventually(lambda: scene.backing("multi-endpoint-test"), set(pods), "endpoints")
        for number, target in ((80, 100), (81, 101)):
            wanted = {name for name, at in pods if at == target}
            scene.reaches(ASKER, spec["clusterIP"], number, wanted or NOBODY)

    backed_by()
    for index, target in enumerate((100, 101), 1):
        ports = [{"name": f"portname{index}", "containerPort": target}]
        labels = {"multiport-test": "yes"}
        scene.create(pod(f"multi-{index}", serving(tcp=target, ports=ports), labels=labels))
        backed_by(*[("multi-1", 100), ("multi-2", 101)][:index])
    scene.delete("multi-1")
    backed_by(("multi-2", 101))
    scene.delete("multi-2")
    backed_by()
    scene.remove("Service", "multi-endpoint-test")


def test_two_protocols_at_one_port(scene: Scene) -> None:
    """Conformance: Service, should serve endpoints on same port and different protocols."""
    tcp, udp = port(80, TCP), port(80, UDP, "UDP")
    address = scene.service("multiprotocol-test", tcp, udp, selector={"role": "server"})["clusterIP"]
    everybody = set(scene.servers)
    scene.reaches(ASKER, address, 80, everybody)
    scene.reaches(ASKER, address, 80, everybody, udp=True)

    assert len(scene.change("multiprotocol-test", ports=[tcp])["ports"]) == 1
    scene.refused(ASKER, address, 80, udp=True)
    scene.reaches(ASKER, address, 80, everybody)

    assert len(scene.change("multiprotocol-test", ports=[udp])["ports"]) == 1
    scene.refused(ASKER, address, 80)
    scene.reaches(ASKER, address, 80, everybody, udp=True)
    scene.remove("Service", "multiprotocol-test")


def test_latency(scene: Scene) -> None:
    """Conformance: Service endpoint latency, thresholds"""
    scene.create(pod("pause", {"name": "pause", "image": PAUSE, "imagePullPolicy": "Never"}, labels={"app": "pause"}))
    scene.ready("pause")
    events = scene.api.watch(f"{scene.place('Endpoints')}?watch=1&timeoutSeconds=60")
    took = []
    for index in range(100):
        name, began = f"latency-{index}", time.monotonic()
        scene.service(name, port(80, 80), selector={"app": "pause"})
        while True:
            found = next(events)["object"]
            if found["metadata"]["name"] == name and found.get("subsets"):
                break
        took.append(time.monotonic() - began)
        scene.remove("Service", name)
    events.close()
    took.sort()
    assert len(took) == 100
    assert took[49] < 20 and took[89] < 50, f"median {took[49]:.3f} s, 90% within {took[89]:.3f} s"
    scene.delete("pause")
