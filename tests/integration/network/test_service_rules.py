"""Our rules in a real kernel: real connections through real bridges."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from integration.network.pods import BareNode, Pod
from longboat.network.proxy.rules import HostPort, rules
from longboat.network.ruleset import Ruleset, create, diff
from unit.network.test_rules import NODE, endpoint, piece, service

pytestmark = [pytest.mark.root]

GET = """
import socket, sys
address, port, count, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
names = {}
for _ in range(count):
    try:
        with socket.create_connection((address, port), timeout=3) as s:
            s.sendall(f"GET {path} HTTP/1.0\\r\\n\\r\\n".encode())
            answer = b""
            while chunk := s.recv(4096):
                answer += chunk
        name = answer.decode().rsplit("\\n", 2)[-2]
    except OSError as error:
        name = type(error).__name__
    names[name] = names.get(name, 0) + 1
print(names)
"""
ASK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.bind(("0.0.0.0", 40000))
s.connect((sys.argv[1], int(sys.argv[2])))
try:
    s.send(b"who")
    print(s.recv(100).decode())
except OSError as error:
    print(type(error).__name__)
"""
ANSWER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True)
while True:
    s.sendto(b"node", s.recvfrom(100)[1])
"""
NEAR = replace(NODE, pod_cidr="10.244.1.0/24")
PUBLISHED = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareNode]:
    node = BareNode(tmp_path_factory.mktemp("node"))
    yield node
    node.close()


@pytest.fixture(scope="module")
def pods(node: BareNode) -> list[Pod]:
    return [node.pod(number) for number in (5, 6)]


def ready(*pods: Pod) -> Ruleset:
    endpoints = [endpoint(pod.address, "node-1") for pod in pods]
    return rules([service(**PUBLISHED)], [piece(*endpoints)], NEAR)


def get(pod: Pod, address: str, port: int = 80, count: int = 40, path: str = "/") -> dict[str, int]:
    names = eval(pod.python(GET, address, str(port), str(count), path))
    assert isinstance(names, dict)
    return names


def get_from_node(node: BareNode, address: str, port: int) -> dict[str, int]:
    names = eval(node.host.run(sys.executable, "-c", GET, address, str(port), "40", "/").ok().out)
    assert isinstance(names, dict)
    return names


def test_connections_spread_over_the_endpoints_also_back_to_oneself(node: BareNode, pods: list[Pod]) -> None:
    node.apply(create(ready(*pods)))
    for pod in pods:
        assert get(pod, "10.96.0.10").keys() == {"pod-5", "pod-6"}


def test_the_node_reaches_services_and_its_own_node_ports(node: BareNode, pods: list[Pod]) -> None:
    node.apply(create(ready(*pods)))
    assert get_from_node(node, "10.96.0.10", 80).keys() == {"pod-5", "pod-6"}
    assert get_from_node(node, "10.244.1.1", 30080).keys() == {"pod-5", "pod-6"}
    assert get(pods[0], "10.244.1.1", 30080).keys() == {"pod-5", "pod-6"}


def test_a_pod_sees_the_pod_that_calls_it(node: BareNode, pods: list[Pod]) -> None:
    node.apply(create(ready(pods[1])))
    (seen,) = get(pods[0], "10.96.0.10", count=1, path="/client")
    assert seen.startswith(pods[0].address + ":")


def test_without_endpoints_connections_are_refused_at_once(node: BareNode, pods: list[Pod]) -> None:
    node.apply(create(ready()))
    for address, port in (("10.96.0.10", 80), ("10.96.0.10", 81), ("10.244.1.1", 30080)):
        assert get(pods[0], address, port) == {"ConnectionRefusedError": 40}
    assert get_from_node(node, "10.96.0.10", 80) == {"ConnectionRefusedError": 40}
    assert pods[0].python(ASK, "10.96.0.10", "80") == "ConnectionRefusedError\n"


def test_what_the_node_answers_itself_reaches_it_untracked(node: BareNode, pods: list[Pod]) -> None:
    node.host.run("ip", "addr", "add", "10.96.0.10/32", "dev", "lo").ok()
    listening = node.host.start(sys.executable, "-c", ANSWER, "10.96.0.10", "53", stdout=subprocess.PIPE)
    try:
        assert listening.stdout is not None and listening.stdout.readline() == "listening\n"
        dns = service(ports=[{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "web", "port": 80}])
        node.apply(create(rules([dns], [], NEAR)))
        assert pods[0].python(ASK, "10.96.0.10", "53") == "ConnectionRefusedError\n"
        node.apply(create(rules([dns], [], replace(NEAR, own_services=(("10.96.0.10", 53),)))))
        assert pods[0].python(ASK, "10.96.0.10", "53") == "node\n"
        assert node.host.run(sys.executable, "-c", ASK, "10.96.0.10", "53").ok().out == "node\n"
        assert "dport=53 " not in node.host.run("conntrack", "-L", "-p", "udp").out
        assert get(pods[0], "10.96.0.10", 80, count=1) == {"ConnectionRefusedError": 1}
        ranged = replace(NEAR, own_services=(("10.96.0.10", 53),), service_cidrs=("10.96.0.0/16",))
        node.apply(create(rules([], [], ranged)))
        assert pods[0].python(ASK, "10.96.0.10", "53") == "node\n", "before its Service is known, too"
        assert node.host.run(sys.executable, "-c", ASK, "10.96.0.10", "53").ok().out == "node\n"
        assert get(pods[0], "10.96.0.10", 80, count=1) == {"ConnectionRefusedError": 1}
    finally:
        listening.kill()
        listening.communicate()
        node.host.run("ip", "addr", "del", "10.96.0.10/32", "dev", "lo").ok()


def test_an_address_of_no_service_is_refused_at_once(node: BareNode, pods: list[Pod]) -> None:
    """It may have been one's a moment ago. (Where the range is not known, an ICMP error answers, now and then.)"""
    node.apply(create(ready(*pods)))
    assert get(pods[0], "10.96.77.77", count=1) == {"OSError": 1}
    node.apply(create(rules([], [], replace(NEAR, service_cidrs=("10.96.0.0/16",)))))
    for address in ("10.96.0.10", "10.96.77.77"):
        assert get(pods[0], address) == {"ConnectionRefusedError": 40}
        assert get_from_node(node, address, 80) == {"ConnectionRefusedError": 40}
        assert pods[0].python(ASK, address, "80") == "ConnectionRefusedError\n"


def test_a_client_stays_with_its_endpoint_under_affinity(node: BareNode, pods: list[Pod]) -> None:
    sticky = service(sessionAffinity="ClientIP")
    node.apply(create(rules([sticky], [piece(*(endpoint(pod.address) for pod in pods))], NEAR)))
    assert len(get(pods[0], "10.96.0.10")) == 1


def test_host_ports_lead_into_the_pod(node: BareNode, pods: list[Pod]) -> None:
    with_port = replace(NEAR, host_ports=(HostPort("TCP", 8088, pods[1].address, 8080),))
    node.apply(create(rules([], [], with_port)))
    assert get_from_node(node, "10.244.1.1", 8088) == {"pod-6": 40}
    assert get(pods[1], "10.244.1.1", 8088) == {"pod-6": 40}


def test_a_host_port_at_the_loopback_address_is_another(node: BareNode, pods: list[Pod]) -> None:
    own = "10.244.1.1"
    ports = (
        HostPort("TCP", 8088, pods[0].address, 8080, "127.0.0.1"),
        HostPort("TCP", 8088, pods[1].address, 8080, own),
    )
    node.apply(create(rules([], [], replace(NEAR, host_ports=ports))))
    curl = ("curl", "-s", "-m", "5", "--interface", own)
    assert node.host.run(*curl, "http://127.0.0.1:8088/").out == "pod-5\n"
    assert node.host.run(*curl, f"http://{own}:8088/").out == "pod-6\n"


@pytest.mark.slow
def test_no_connection_fails_while_endpoints_come_and_go(node: BareNode, pods: list[Pod]) -> None:
    both, one, other = ready(*pods), ready(pods[0]), ready(pods[1])
    node.apply(create(both))
    command = [sys.executable, "-c", GET, "10.96.0.10", "80", "5000", "/"]
    clients = [node.host.start(*pod.entering, *command, stdout=subprocess.PIPE) for pod in pods]
    present, changes = both, 0
    while any(client.poll() is None for client in clients):
        wanted = (one, both, other, both)[changes % 4]
        node.apply(diff(present, wanted))
        present, changes = wanted, changes + 1
    for client in clients:
        out, _ = client.communicate()
        names = eval(out)
        assert names.keys() == {"pod-5", "pod-6"} and sum(names.values()) == 5000, names
    assert changes > 10
