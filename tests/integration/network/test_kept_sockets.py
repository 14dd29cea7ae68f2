"""Clients of datagrams that never let go of their socket, while what answers them is replaced: in a real kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import msgspec
import pytest

from integration.network.kept import Kept
from integration.network.pods import BareNode, Pod
from longboat.network.proxy.rules import HostPort
from longboat.network.views import EndpointSlice, Service
from unit.network.test_rules import endpoint, piece, service

pytestmark = [pytest.mark.root]

# One socket; for each line it reads, which is how long to wait, it asks once, and prints who answered.
CLIENT = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
for patience in sys.stdin:
    s.settimeout(float(patience))
    try:
        s.sendto(b"who", (sys.argv[1], int(sys.argv[2])))
        print(s.recv(100).decode(), flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""
SERVER = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", int(sys.argv[2])))
print("serves", flush=True)
while True:
    s.sendto(sys.argv[1].encode(), s.recvfrom(100)[1])
"""
# An association's first chunk, as if from a socket (RFC 9260): enough for the kernel to track it.
INIT = """
import binascii, socket, struct, sys
def crc(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return struct.pack("<I", value ^ 0xFFFFFFFF)
chunk = struct.pack(">BBHIIHHI", 1, 0, 20, 7, 65536, 1, 1, 1)
head = struct.pack(">HHI", 40000, int(sys.argv[2]), 0)
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
s.sendto(head + crc(head + bytes(4) + chunk) + chunk, (sys.argv[1], 0))
"""
VIP, VIP6, ELSEWHERE = "203.0.113.9", "2001:db8::9", "203.0.113.77"
OWN, OWN6 = "10.244.1.1", "fd44:1::1"
SHORT = 0.2  # seconds, where no answer is to come
FRONTS = (
    ("10.96.0.10", 8125), ("fd10:96::a", 8125), (OWN, 30125), (OWN6, 30125), (VIP, 8125), (VIP6, 8125),
    (OWN, 9125), (OWN6, 9125), (OWN, 9126), (OWN6, 9126),
)  # fmt: skip


class Client:
    """It keeps its socket, in a pod or (None) on the node."""

    def __init__(self, node: BareNode, pod: Pod | None, address: str, port: int) -> None:
        inside = pod.entering if pod else []
        command = [sys.executable, "-c", CLIENT, address, str(port)]
        self.process = node.host.start(*inside, *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, patience: float) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{patience}\n")
        self.process.stdin.flush()

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def ask(*clients: Client, patience: float = 5.0) -> list[str]:
    """All at once."""
    for client in clients:
        client.send(patience)
    return [client.said() for client in clients]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareNode]:
    node = BareNode(tmp_path_factory.mktemp("node"))
    for command in (
        "ip link add away type bridge", "ip link set away up", "ip route add 203.0.113.0/24 dev away",
        "ip -6 route add 2001:db8::/64 dev away",
    ):  # fmt: skip
        node.host.run(*command.split()).ok()
    yield node
    node.close()


@pytest.fixture(scope="module")
def pods(node: BareNode) -> Iterator[list[Pod]]:
    """Two that serve, at two ports each, and one that asks."""
    found = [node.pod(number) for number in (5, 6, 7)]
    servers = []
    for number, pod in zip((5, 6), found, strict=False):
        for port in (8125, 8126):
            command = [*pod.entering, sys.executable, "-c", SERVER, f"{number}:{port}", str(port)]
            servers.append(node.host.start(*command, stdout=subprocess.PIPE))
            assert (out := servers[-1].stdout) is not None and out.readline() == "serves\n"
    yield found
    for server in servers:
        server.kill()
        server.communicate()


@pytest.fixture
def kept(node: BareNode) -> Iterator[Kept]:
    node.host.run("conntrack", "-F").ok()
    kept = Kept(node.host.start)
    yield kept
    kept.close()


Dial = Callable[..., Client]


@pytest.fixture
def dial(node: BareNode) -> Iterator[Dial]:
    made: list[Client] = []

    def dialled(pod: Pod | None, address: str, port: int) -> Client:
        made.append(Client(node, pod, address, port))
        return made[-1]

    yield dialled
    for client in made:
        client.process.kill()
        client.process.communicate()


def stats(protocol: str = "UDP", **spec: object) -> Service:
    """At a ClusterIP, a NodePort and a load balancer's address, of both families."""
    found = service(
        type="LoadBalancer", clusterIPs=["10.96.0.10", "fd10:96:0::a"],
        ports=[{"port": 8125, "nodePort": 30125, "protocol": protocol}], **spec,
    )  # fmt: skip
    points = {"loadBalancer": {"ingress": [{"ip": VIP}, {"ip": VIP6}]}}
    return msgspec.convert(msgspec.to_builtins(found) | {"status": points}, Service)


def behind(*pods: Pod, port: int = 8125, protocol: str = "UDP") -> list[EndpointSlice]:
    ports = ({"port": port, "protocol": protocol},)
    four = piece(*(endpoint(pod.address, "node-1") for pod in pods), ports=ports)
    six = msgspec.to_builtins(four) | {"addressType": "IPv6"}
    six["endpoints"] = [endpoint(pod.address6, "node-1") for pod in pods]
    return [four, msgspec.convert(six, EndpointSlice)]


def published(pod: Pod, port: int = 8125) -> list[HostPort]:
    """At every address of the node, and at one."""
    return [
        HostPort("UDP", number, address, port, at)
        for address, own in ((pod.address, OWN), (pod.address6, OWN6))
        for number, at in ((9125, ""), (9126, own))
    ]


def test_who_keeps_a_socket_is_answered_again_whatever_front_it_asks(kept: Kept, pods: list[Pod], dial: Dial) -> None:
    first, second, asking = pods
    assert kept.set([stats()], behind(first), published(first)) == 0
    clients = [dial(asking, *front) for front in FRONTS]
    on_node = [dial(None, *front) for front in FRONTS]
    assert ask(*clients, *on_node) == ["5:8125"] * 20
    assert kept.set([stats()], behind(second), published(second)) == 20
    assert ask(*clients, *on_node) == ["6:8125"] * 20
    assert kept.set([stats()], behind(second, port=8126), published(second, 8126)) == 20, "the same pods, another port"
    assert ask(*clients, *on_node) == ["6:8126"] * 20
    assert kept.set([stats()]) == 20, "nobody is left"
    assert not {"5:8125", "6:8125", "6:8126"} & set(ask(*clients, *on_node, patience=SHORT))
    kept.set([stats()], behind(first), published(first))
    assert ask(*clients, *on_node) == ["5:8125"] * 20, "some asked while nobody was there"


def test_who_asked_before_there_was_a_front_is_answered_once_there_is(
    kept: Kept, node: BareNode, pods: list[Pod], dial: Dial
) -> None:
    kept.set()
    clients = [dial(pods[2], *front) for front in FRONTS]
    other = dial(pods[2], ELSEWHERE, 30125)
    assert not {"5:8125", "6:8125"} & set(ask(*clients, other, patience=SHORT))
    before = node.host.run("conntrack", "-L", "-p", "udp", "--orig-dst", ELSEWHERE).ok().out
    assert "dport=30125 " in before
    kept.set([stats()], behind(pods[0]), published(pods[0]))
    assert ask(*clients) == ["5:8125"] * 10
    after = node.host.run("conntrack", "-L", "-p", "udp", "--orig-dst", ELSEWHERE).ok().out
    assert "dport=30125 " in after, "it passes through, to a port that only here is a NodePort"


def test_flows_that_agree_with_the_rules_stay(kept: Kept, node: BareNode, pods: list[Pod], dial: Dial) -> None:
    sticky = stats(sessionAffinity="ClientIP")
    kept.set([sticky], behind(pods[0]), published(pods[0]))
    clients = [dial(pods[2], *front) for front in FRONTS]
    assert ask(*clients) == ["5:8125"] * 10
    assert kept.set([sticky], behind(*pods[:2]), published(pods[0])) == 0, "one more"
    ending = [msgspec.to_builtins(each) for each in behind(pods[0])]
    for each in ending:
        each["endpoints"][0]["conditions"] = {"ready": False, "serving": True, "terminating": True}
    slices = [*msgspec.convert(ending, list[EndpointSlice]), *behind(pods[1])]
    assert kept.set([sticky], slices, published(pods[0])) == 0, "ending, but it still serves"
    assert ask(*clients) == ["5:8125"] * 10
    again = Kept(node.host.start)
    try:
        assert again.set([sticky], slices, published(pods[0])) == 0, "the node's agent was started again"
        assert ask(*clients) == ["5:8125"] * 10
    finally:
        again.close()
    assert kept.set([sticky], behind(pods[1]), published(pods[1])) == 10
    assert ask(*clients) == ["6:8125"] * 10


def test_what_changed_while_no_agent_ran_is_seen_by_the_next(
    kept: Kept, node: BareNode, pods: list[Pod], dial: Dial
) -> None:
    kept.set([stats()], behind(pods[0]), published(pods[0]))
    clients = [dial(pods[2], *front) for front in FRONTS]
    assert ask(*clients) == ["5:8125"] * 10
    for services, host_ports in (([stats()], published(pods[1])), ([], [])):
        again = Kept(node.host.start)
        try:
            assert again.set(services, behind(pods[1]), host_ports) == 10
        finally:
            again.close()
        said = ask(*clients, patience=5.0 if services else SHORT)
        assert said == ["6:8125"] * 10 if services else "6:8125" not in said


def test_what_the_node_listens_at_is_its_own_until_it_ends(
    kept: Kept, node: BareNode, pods: list[Pod], dial: Dial
) -> None:
    listening = node.host.start(sys.executable, "-c", SERVER, "node", "9125", stdout=subprocess.PIPE)
    try:
        assert listening.stdout is not None and listening.stdout.readline() == "serves\n"
        kept.set(host_ports=published(pods[0]), taken=[("UDP", 9125, "")])
        clients = [dial(pods[2], own, 9125) for own in (OWN, OWN6)]
        assert ask(*clients) == ["node"] * 2
        assert kept.set([stats()], behind(pods[0]), published(pods[1]), [("UDP", 9125, "")]) == 0
        assert ask(*clients) == ["node"] * 2
    finally:
        listening.kill()
        listening.communicate()
    assert kept.set(host_ports=published(pods[0])) == 2
    assert ask(*clients) == ["5:8125"] * 2


def test_associations_that_begin_again_find_another_endpoint(kept: Kept, node: BareNode, pods: list[Pod]) -> None:
    def tracked() -> str:
        pods[2].python(INIT, "10.96.0.10", "8125")
        return node.host.run("conntrack", "-L", "-p", "sctp").ok().out

    kept.set([stats("SCTP")], behind(pods[0], protocol="SCTP"))
    assert "src=10.244.1.5 " in tracked()
    assert kept.set([stats("SCTP")], behind(pods[1], protocol="SCTP")) == 1
    assert "src=10.244.1.6 " in tracked()
