"""Host ports that a node asks at its own loopback address, and nobody else there: in a real kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from integration.network.kept import Kept
from integration.network.pods import BareNode, Pod
from longboat.network.proxy.rules import HostPort

pytestmark = [pytest.mark.root]

OWN, SETTING = "10.244.1.1", "/proc/sys/net/ipv4/conf/cni0/route_localnet"
DATAGRAMS = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
for _ in range(3):
    s.sendto(b"who", ("127.0.0.1", 8088))
    print(*s.recvfrom(100))
"""
LISTEN = """
import socket
with socket.create_server(("127.0.0.1", 9999)) as server:
    print("listens", flush=True)
    while True:
        with server.accept()[0] as connection:
            connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nthe node\\n")
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareNode]:
    node = BareNode(tmp_path_factory.mktemp("node"))
    yield node
    node.close()


@pytest.fixture(scope="module")
def pods(node: BareNode) -> list[Pod]:
    """Two that serve; the third can send to loopback addresses by its wire."""
    found = [node.pod(number) for number in (5, 6, 7)]
    for command in (
        "ip addr del 127.0.0.1/8 dev lo", "sysctl -q -w net.ipv4.conf.eth0.route_localnet=1",
        "ip route add 127.0.0.0/8 via 10.244.1.1", "ip addr add 127.0.0.77/32 dev eth0",
    ):  # fmt: skip
        found[2].run(*command.split())
    return found


@pytest.fixture
def kept(node: BareNode) -> Iterator[Kept]:
    kept = Kept(node.host.start)
    yield kept
    kept.set()
    kept.close()


@pytest.fixture
def listener(node: BareNode) -> Iterator[None]:
    process = node.host.start(sys.executable, "-c", LISTEN, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == "listens\n"
    yield
    process.kill()
    process.communicate()


def get(node: BareNode, url: str, *options: str, entering: list[str] | None = None, patience: float = 5) -> str:
    """What it says; "-" where nothing does."""
    command = [*(entering or []), "curl", "-s", "-m", str(patience), *options, url]
    return node.host.run(*command).out.strip() or "-"


def ports(*pods: Pod) -> list[HostPort]:
    """One at any address, one at loopback alone, and that of the node's own listener."""
    return [
        *(HostPort(protocol, 8088, pods[0].address, 8080) for protocol in ("TCP", "UDP")),
        HostPort("TCP", 8088, pods[0].address6, 8080), HostPort("TCP", 8089, pods[1].address, 8080, "127.0.0.1"),
        HostPort("TCP", 9999, pods[1].address, 8080),
    ]  # fmt: skip


def test_the_node_asks_from_loopback_at_loopback(node: BareNode, pods: list[Pod], kept: Kept, listener: None) -> None:
    kept.set(host_ports=ports(*pods), taken=[("TCP", 9999, "127.0.0.1")])
    for _ in range(3):
        assert get(node, "http://127.0.0.1:8088/") == get(node, "http://127.0.0.2:8088/") == "pod-5"
        assert get(node, "http://127.0.0.1:8089/") == "pod-6"
    assert get(node, "http://127.0.0.1:8088/client").startswith(f"{OWN}:")
    assert get(node, f"http://{OWN}:8088/") == "pod-5"
    assert get(node, f"http://{OWN}:8089/") == get(node, "http://127.0.0.2:8089/") == "-"
    said = node.host.run(sys.executable, "-c", DATAGRAMS).ok().out.splitlines()
    assert said == ["b'pod-5' ('127.0.0.1', 8088)"] * 3
    assert get(node, "http://127.0.0.1:9999/") == "the node", "what listens there keeps its own"
    assert get(node, f"http://{OWN}:9999/") == "pod-6"
    assert get(node, "http://[::1]:8088/") == "-", "which the kernel has no setting for"
    assert get(node, "http://[::1]:8088/", "--interface", "fd44:1::1") != "the node"


def test_nobody_else_does(node: BareNode, pods: list[Pod], kept: Kept, listener: None) -> None:
    def setting() -> str:
        return node.host.run("cat", SETTING).ok().out.strip()

    def reached(*options: str, patience: float = 0.3) -> set[str]:
        urls = [f"http://127.0.0.1:{port}/" for port in (9999, 8088, 8089)]
        with ThreadPoolExecutor() as pool:
            return set(
                pool.map(lambda url: get(node, url, *options, entering=pods[2].entering, patience=patience), urls)
            )

    kept.set()
    assert setting() == "0", "without host ports nothing is open"
    kept.set(host_ports=ports(*pods), taken=[("TCP", 9999, "127.0.0.1")])
    assert setting() == "1" and node.host.run("cat", SETTING.replace("cni0", "all")).ok().out.strip() == "0"
    assert reached() == {"-"}
    assert reached("--interface", "127.0.0.77") == {"-"}, "from an address that the node would answer at loopback"
    assert get(node, f"http://{OWN}:8088/", "--interface", "127.0.0.77", entering=pods[2].entering, patience=0.3) == "-"
    node.host.run("nft", "flush", "chain", "ip", "longboat-services", "no-loopback").ok()
    assert "the node" in reached(patience=2), "or this test would show nothing"
    kept.set(host_ports=ports(*pods))
