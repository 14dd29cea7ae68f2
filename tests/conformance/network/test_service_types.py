"""Services that change their type (sig-network)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.network.scene import TRIO, Scene, port

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

ASKER = "asker-2"
OUTSIDE = "foo.example.com"


@pytest.fixture(scope="module")
def other(scene: Scene) -> Iterator[tuple[str, str]]:
    """Name and address of a Service that external names point to."""
    spec = scene.service("other", port(80), selector=TRIO)
    yield f"other.{scene.namespace}.svc.cluster.local", spec["clusterIP"]
    scene.remove("Service", "other")


def points_to(scene: Scene, name: str, other: tuple[str, str]) -> None:
    """The name is an alias, and leads to the other's address."""
    scene.resolves(ASKER, f"{name}.{scene.namespace}.svc.cluster.local", "CNAME", [other[0]])
    assert scene.sh(ASKER, f"/resolve {name}").split() == [other[1]]
    scene.reaches(ASKER, name, 80, set(scene.trio))


def test_external_name_to_cluster_ip(scene: Scene) -> None:
    """Conformance: Service, change type, ExternalName to ClusterIP"""
    name = "externalname-to-clusterip"
    made = scene.service(name, type="ExternalName", externalName=OUTSIDE)
    assert not made.get("clusterIP") and "ports" not in made
    spec = scene.change(
        "externalname-to-clusterip", type="ClusterIP", externalName=None, ports=[port(80)], selector=TRIO
    )
    assert spec["clusterIP"] and "externalName" not in spec and "nodePort" not in spec["ports"][0]
    scene.reached_by(ASKER, name, spec, set(scene.trio))
    scene.remove("Service", name)


def test_external_name_to_node_port(scene: Scene) -> None:
    """Conformance: Service, change type, ExternalName to NodePort"""
    name = "externalname-to-nodeport"
    made = scene.service(name, type="ExternalName", externalName=OUTSIDE)
    assert not made.get("clusterIP")
    spec = scene.change(name, type="NodePort", externalName=None, ports=[port(80)], selector=TRIO)
    assert spec["clusterIP"] and 30000 <= spec["ports"][0]["nodePort"] <= 32767
    scene.reached_by(ASKER, name, spec, set(scene.trio))
    scene.remove("Service", name)


def test_cluster_ip_to_external_name(scene: Scene, other: tuple[str, str]) -> None:
    """Conformance: Service, change type, ClusterIP to ExternalName"""
    name = "clusterip-to-externalname"
    made = scene.service(name, port(80), selector=TRIO)
    assert made["clusterIP"]
    spec = scene.change(name, type="ExternalName", externalName=other[0])
    assert not spec.get("clusterIP") and not spec.get("clusterIPs")
    points_to(scene, name, other)
    scene.refused(ASKER, made["clusterIP"], 80)
    scene.remove("Service", name)


def test_node_port_to_external_name(scene: Scene, other: tuple[str, str]) -> None:
    """Conformance: Service, change type, NodePort to ExternalName"""
    name = "nodeport-to-externalname"
    made = scene.service(name, port(80), selector=TRIO, type="NodePort")
    number = made["ports"][0]["nodePort"]
    scene.reached_by(ASKER, name, made, set(scene.trio))
    spec = scene.change(name, type="ExternalName", externalName=other[0])
    assert not spec.get("clusterIP") and all("nodePort" not in each for each in spec.get("ports", ()))
    points_to(scene, name, other)
    for address in scene.nodes.values():
        scene.refused(ASKER, address, number)
    heir = scene.service("heir", port(80, nodePort=number), selector=TRIO, type="NodePort")
    assert heir["ports"][0]["nodePort"] == number, "it has been released"
    for each in (name, "heir"):
        scene.remove("Service", each)
