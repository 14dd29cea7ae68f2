"""The IPv6 rules in a real kernel, beside the IPv4 ones: real connections through real bridges."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from integration.network.pods import RANGE6, BareNode, Pod
from longboat.network.families import IPV6
from longboat.network.policy import rules as policies
from longboat.network.proxy.keeper import TABLE
from longboat.network.proxy.rules import HostPort, NodeInfo, rules
from longboat.network.ruleset import Chain, Ruleset, create, merge, place
from longboat.network.views import EndpointSlice, Service
from unit.network.test_families import in_six
from unit.network.test_rules import endpoint, piece, service

pytestmark = [pytest.mark.root]

NODE = NodeInfo("node-1", IPV6, pod_cidr=RANGE6, cluster_cidr="fd44:1::/48")
ADDRESS, OWN = "fd10:96::a", f"{RANGE6.partition('/')[0]}1"
SERVE = """
import socket, sys
with socket.create_server(("::", 8080), family=socket.AF_INET6) as server:
    print("listening", flush=True)
    while True:
        with server.accept()[0] as connection:
            peer = connection.getpeername()[0]
            connection.sendall(f"{sys.argv[1]} {peer}".encode())
"""
DIAL = """
import socket, sys
seen = {}
for _ in range(int(sys.argv[3])):
    try:
        with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2) as s:
            said = s.recv(100).decode()
    except OSError as error:
        said = type(error).__name__
    seen[said] = seen.get(said, 0) + 1
print(seen)
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareNode]:
    node = BareNode(tmp_path_factory.mktemp("node"))
    yield node
    node.close()


@pytest.fixture(scope="module")
def pods(node: BareNode) -> Iterator[list[Pod]]:
    found = [node.pod(number) for number in (5, 6)]
    servers = []
    for pod in found:
        command = [*pod.entering, sys.executable, "-c", SERVE, pod.address6]
        servers.append(node.host.start(*command, stdout=subprocess.PIPE))
        assert (out := servers[-1].stdout) is not None and out.readline() == "listening\n"
    yield found
    for server in servers:
        server.kill()
        server.communicate()


def six(**spec: object) -> Service:
    return service(clusterIPs=[ADDRESS], type="NodePort", ports=[{"port": 80, "nodePort": 30080}], **spec)


def behind(*pods: Pod) -> list[EndpointSlice]:
    found = in_six(piece(endpoint("10.1.1.1")))
    for pod in pods:
        found.endpoints.append(type(found.endpoints[0])(addresses=[pod.address6], nodeName="node-1"))
    del found.endpoints[0]
    return [found]


def apply(node: BareNode, found: Ruleset, table: str = TABLE) -> None:
    node.apply(create(found, place(IPV6, table)))


def dial(pod: Pod, address: str, port: int = 80, count: int = 30) -> dict[tuple[str, str], int]:
    return parsed(pod.python(DIAL, address, str(port), str(count)))


def parsed(text: str) -> dict[tuple[str, str], int]:
    """(who answered, whom it saw) or (what went wrong, ""), how often."""
    return {(key.partition(" ")[0], key.partition(" ")[2]): count for key, count in eval(text).items()}


def test_connections_spread_also_back_to_oneself(node: BareNode, pods: list[Pod]) -> None:
    apply(node, rules([six()], behind(*pods), NODE))
    for pod, other in (pods, pods[::-1]):
        seen = {who: source for who, source in dial(pod, ADDRESS)}
        assert seen == {other.address6: pod.address6, pod.address6: OWN}, "masqueraded only to itself"


def test_the_node_reaches_services_and_its_own_node_ports(node: BareNode, pods: list[Pod]) -> None:
    apply(node, rules([six()], behind(*pods), NODE))
    servers = {pod.address6 for pod in pods}
    for address, port in ((ADDRESS, 80), (OWN, 30080)):
        found = parsed(node.host.run(sys.executable, "-c", DIAL, address, str(port), "30").ok().out)
        assert {who for who, _ in found} == servers
    assert {who for who, _ in dial(pods[0], OWN, 30080)} == servers


def test_refused_unreachable_and_sticky(node: BareNode, pods: list[Pod]) -> None:
    apply(node, rules([six()], [], NODE))
    for port in (80, 81):
        assert dial(pods[0], ADDRESS, port, 3) == {("ConnectionRefusedError", ""): 3}
    assert dial(pods[0], OWN, 30080, 3) == {("ConnectionRefusedError", ""): 3}
    assert dial(pods[0], "fd10:96::7777", 80, 1) == {("OSError", ""): 1}
    apply(node, rules([], [], replace(NODE, service_cidrs=("fd10:96::/112",))))
    assert dial(pods[0], "fd10:96::7777", 80, 3) == {("ConnectionRefusedError", ""): 3}
    apply(node, rules([six(sessionAffinity="ClientIP")], behind(*pods), NODE))
    assert len(dial(pods[0], ADDRESS)) == 1


def test_host_ports_lead_into_the_pod(node: BareNode, pods: list[Pod]) -> None:
    published = NodeInfo(**{**NODE.__dict__, "host_ports": (HostPort("TCP", 8088, pods[1].address6, 8080),)})
    apply(node, rules([], [], published))
    assert {who for who, _ in dial(pods[0], OWN, 8088)} == {pods[1].address6}


def test_a_pod_that_is_denied_is_found_but_not_reached(node: BareNode, pods: list[Pod]) -> None:
    apply(node, rules([], [], NODE))
    free = {pod.address6: "accept" for pod in pods}
    verdicts = {policies.TO: free | {pods[1].address6: "goto closed"}, policies.FROM: free}
    closed = Ruleset({"closed": Chain(("drop",))}, {}, verdicts)
    apply(node, merge([policies.base(IPV6), closed]), policies.TABLE)
    try:
        pods[0].run("ip", "neigh", "flush", "dev", "eth0")
        assert dial(pods[0], pods[1].address6, 8080, 1) == {("TimeoutError", ""): 1}
        neighbours = pods[0].run("ip", "-6", "neigh", "show", pods[1].address6)
        assert "lladdr" in neighbours, "neighbour discovery passes, or it would not even be tried"
        assert dial(pods[1], pods[0].address6, 8080, 1) == {(pods[0].address6, pods[1].address6): 1}
        near = (
            pods[0].run("ip", "-o", "-6", "addr", "show", "dev", "eth0", "scope", "link").split()[3].partition("/")[0]
        )
        ((said, _),) = dial(pods[1], f"{near}%eth0", 8080, 1)
        assert said != pods[0].address6, "link-local addresses are no way round"
    finally:
        node.apply(f"delete table {place(IPV6, policies.TABLE)}")
