"""Every address has one node that answers, all nodes agree on it, and it moves only when it must."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from longboat.api.load_balancing import EXCLUDED
from longboat.network.loadbalancer.announcer import announced
from longboat.network.loadbalancer.kernel import gratuitous_arp
from longboat.network.views import EndpointSlice, Node, Service

names = st.lists(st.sampled_from([f"n{i}" for i in range(8)]), unique=True, min_size=1)


def node(name: str, ready: bool = True, address: str = "", **labels: str) -> Node:
    status = {
        "addresses": [{"type": "InternalIP", "address": address or f"10.0.0.{name[1:]}"}],
        "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
    }
    return msgspec.convert({"metadata": {"name": name, "labels": labels}, "status": status}, Node)


def service(*ips: str, **spec: object) -> Service:
    points = [{"ip": ip} for ip in ips]
    ports = [{"name": "http", "port": 80}]
    body = {"spec": {"type": "LoadBalancer", "ports": ports, **spec}, "status": {"loadBalancer": {"ingress": points}}}
    return msgspec.convert(body, Service)


@given(names, st.data())
def test_one_answers_and_moves_only_if_it_goes(listed: list[str], data: st.DataObject) -> None:
    balanced = service("10.0.0.100")
    (before,) = announced(balanced, map(node, listed), ()).values()
    assert before in listed
    shuffled = data.draw(st.permutations(listed))
    assert announced(balanced, map(node, shuffled), ()) == {"10.0.0.100": before}
    lost = data.draw(st.sampled_from(listed))
    after = announced(balanced, [node(name, name != lost) for name in listed], ()).get("10.0.0.100")
    assert after == before if lost != before else after != before


def test_nodes_own_addresses_and_others_services_are_left_alone() -> None:
    nodes = [node("n1"), node("n2")]
    assert announced(service("10.0.0.1", "10.0.0.2"), nodes, ()) == {}
    assert announced(service("10.0.0.100", loadBalancerClass="example.com/other"), nodes, ()) == {}
    assert announced(service("10.0.0.100", type="NodePort"), nodes, ()) == {}


def test_nodes_that_nobody_reaches_answer_for_nothing() -> None:
    """Before, simulated nodes beside a real one were given most of the addresses, and these led nowhere."""
    played = [node(f"simulated-{number}", address="127.0.0.1") for number in range(20)]
    kept_out = node("n2", **{EXCLUDED: ""})
    for last in range(100, 150):
        assert announced(service(f"10.0.0.{last}"), [*played, kept_out, node("n1")], ()) == {f"10.0.0.{last}": "n1"}
    assert announced(service("10.0.0.100"), [*played, kept_out], ()) == {}


def test_a_local_policy_is_answered_where_its_endpoints_are() -> None:
    nodes = [node(f"n{i}") for i in range(1, 6)]
    for name in ("n1", "n3", "n5"):
        endpoints = [{"addresses": ["10.244.0.1"], "nodeName": name}]
        ports = [{"name": "http", "port": 8080}]
        piece = msgspec.convert({"addressType": "IPv4", "endpoints": endpoints, "ports": ports}, EndpointSlice)
        balanced = service("10.0.0.100", externalTrafficPolicy="Local")
        assert announced(balanced, nodes, [piece]) == {"10.0.0.100": name}


def test_neighbours_are_told_in_a_frame_of_the_right_form() -> None:
    frame = gratuitous_arp("02:00:00:00:00:07", "10.0.0.100")
    assert frame[:14] == b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x07" + b"\x08\x06" and len(frame) == 42
    assert frame[28:32] == frame[38:42] == bytes((10, 0, 0, 100))
