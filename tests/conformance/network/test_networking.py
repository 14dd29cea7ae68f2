"""Pods and nodes reach pods, on their own node and on others (sig-network)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.network.scene import TCP, UDP, Scene, port

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def front(scene: Scene) -> Iterator[str]:
    """The address of a Service in front of the servers."""
    ports = (port(80, TCP), port(80, UDP, "UDP"))
    yield scene.service("netservers", *ports, selector={"role": "server"})["clusterIP"]
    scene.remove("Service", "netservers")


def check(scene: Scene, sources: list[str], front: str, *, udp: bool) -> None:
    """Every source gets every server's own name at its address, and all the names through the Service."""
    number = UDP if udp else TCP
    for source in sources:
        ask = " ".join(f"'{address} {number}'" for address in scene.servers.values())
        script = f"for to in {ask}; do echo $(/fetch {'-u' if udp else ''} $to); done"
        assert scene.sh(source, script).split() == list(scene.servers)
        scene.reaches(source, front, 80, set(scene.servers), udp=udp)


def test_http_between_pods(scene: Scene, front: str) -> None:
    """Conformance: Networking, intra pod http"""
    check(scene, [*scene.names("asker"), *scene.servers], front, udp=False)


def test_udp_between_pods(scene: Scene, front: str) -> None:
    """Conformance: Networking, intra pod udp"""
    check(scene, [*scene.names("asker"), *scene.servers], front, udp=True)


def test_http_from_nodes(scene: Scene, front: str) -> None:
    """Conformance: Networking, intra pod http, from node (http)"""
    check(scene, scene.names("host"), front, udp=False)


def test_udp_from_nodes(scene: Scene, front: str) -> None:
    """Conformance: Networking, intra pod http, from node (udp)"""
    check(scene, scene.names("host"), front, udp=True)
