"""Clients that stay with the pod that served them first (sig-network)."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.network.scene import TRIO, Scene, eventually, port
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

ASKER, IN_A_ROW = "asker-1", 15


def entrances(scene: Scene, spec: Object) -> list[tuple[str, int]]:
    """Addresses and ports that the entry is about: the nodes', where the Service has a port there."""
    number = spec["ports"][0].get("nodePort")
    if number:
        return [(address, number) for address in scene.nodes.values()]
    return [(spec["clusterIP"], spec["ports"][0]["port"])]


def sticks(scene: Scene, spec: Object) -> None:
    for host, number in entrances(scene, spec):
        eventually(lambda h=host, n=number: len(set(scene.answers(ASKER, h, n, IN_A_ROW))), 1)  # type: ignore[misc]
        assert set(scene.answers(ASKER, host, number)) <= scene.trio.keys()


def create(scene: Scene, name: str, **spec: Any) -> Object:
    made = scene.service(name, port(80), selector=TRIO, sessionAffinity="ClientIP", **spec)
    assert made["clusterIP"] and made["sessionAffinity"] == "ClientIP"
    assert made["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    assert ("nodePort" in made["ports"][0]) == (made["type"] == "NodePort")
    return made


def reachable(scene: Scene, name: str, spec: Object) -> None:
    """By name and by address, and at every node."""
    own = spec["ports"][0]
    for host, number in ((name, own["port"]), (spec["clusterIP"], own["port"]), *entrances(scene, spec)):
        eventually(lambda h=host, n=number: set(scene.answers(ASKER, h, n)) <= scene.trio.keys(), True)  # type: ignore[misc]


def check_sticks(scene: Scene, name: str, **spec: Any) -> None:
    made = create(scene, name, **spec)
    reachable(scene, name, made)
    sticks(scene, made)
    scene.remove("Service", name)


def check_switch(scene: Scene, name: str, **spec: Any) -> None:
    made = create(scene, name, **spec)
    sticks(scene, made)
    changed = scene.change(name, sessionAffinity="None", sessionAffinityConfig=None)
    assert changed["sessionAffinity"] == "None" and "sessionAffinityConfig" not in changed
    for host, number in entrances(scene, made):
        scene.reaches(ASKER, host, number, set(scene.trio))
    assert scene.change(name, sessionAffinity="ClientIP")["sessionAffinity"] == "ClientIP"
    sticks(scene, made)
    reachable(scene, name, made)
    scene.remove("Service", name)


def test_cluster_ip(scene: Scene) -> None:
    """Conformance: Service, ClusterIP type, session affinity to ClientIP"""
    check_sticks(scene, "affinity-clusterip")


def test_node_port(scene: Scene) -> None:
    """Conformance: Service, NodePort type, session affinity to ClientIP"""
    check_sticks(scene, "affinity-nodeport", type="NodePort")


def test_cluster_ip_switched(scene: Scene) -> None:
    """Conformance: Service, ClusterIP type, session affinity to None"""
    check_switch(scene, "affinity-clusterip-transition")


def test_node_port_switched(scene: Scene) -> None:
    """Conformance: Service, NodePort type, session affinity to None"""
    check_switch(scene, "affinity-nodeport-transition", type="NodePort")
