"""Which tracked flows are looked at when fronts change, and which are stale. (In a kernel: test_kept_sockets.)"""

from __future__ import annotations

import socket
from dataclasses import replace

import msgspec
import pytest

from longboat.client.interface import Key
from longboat.network.overlay.addresses import is_within
from longboat.network.proxy.fronts import Flow, Front, Fronts, Look, Tracker, of_host_ports, of_service
from longboat.network.proxy.rules import HostPort
from longboat.network.views import Service
from unit.network.test_families import SIX, in_six
from unit.network.test_rules import NODE, endpoint, piece, service

WEB, DNS = Key("shop", "web"), Key("kube-system", "dns")
OWN = "172.30.0.11"


def ip(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def front(address: str, port: int, protocol: str = "UDP") -> Front:
    return Front(protocol, ip(address) if address else b"", port)


def to(address: str, port: int, backend: str = "", number: int = 5353, protocol: str = "UDP") -> Flow:
    """A flow, translated if a backend is given."""
    return Flow(protocol, ip(address), port, (ip(backend or address), number if backend else port))


def behind(*backends: str, port: int = 5353) -> frozenset[tuple[bytes, int]]:
    return frozenset((ip(each), port) for each in backends)


def tracker(fronts: Fronts | None = None, owner: Key = WEB) -> Tracker:
    """One that has looked at everything."""
    made = Tracker(lambda address: is_within(address, "10.244.0.0/16"))
    made.set(owner, fronts or {})
    made.done()
    return made


def stale(made: Tracker, flow: Flow) -> bool:
    return made.is_stale(flow, lambda address: address == ip(OWN))


def test_what_a_service_is_reached_at() -> None:
    ports = [{"port": 53, "protocol": "UDP", "nodePort": 30053}, {"port": 9, "protocol": "SCTP"}, {"port": 80}]
    body = msgspec.to_builtins(service(type="LoadBalancer", clusterIPs=["10.96.0.10", "fd10:96:0::a"], ports=ports))
    points = [{"ip": "203.0.113.9"}, {"ip": "203.0.113.10", "ipMode": "Proxy"}, {"ip": "2001:db8:0::9"}]
    both = msgspec.convert(body | {"status": {"loadBalancer": {"ingress": points}}}, Service)
    slices = [
        piece(
            endpoint("10.244.1.5"), endpoint("10.244.1.6", ready=False, serving=True, terminating=True),
            endpoint("10.244.1.7", ready=False, serving=False), ports=({"port": 5353, "protocol": "UDP"},),
        )
    ]  # fmt: skip
    found = of_service(both, slices, NODE)
    names = behind("10.244.1.5", "10.244.1.6")
    assert found == {
        front("10.96.0.10", 53): names, front("", 30053): names, front("203.0.113.9", 53): names,
        front("10.96.0.10", 9, "SCTP"): frozenset(), front("203.0.113.9", 9, "SCTP"): frozenset(),
    }  # fmt: skip
    six = of_service(both, [in_six(each) for each in slices], SIX)
    assert six[front("fd10:96::a", 53)] == behind("fd10:244:1::5", "fd10:244:1::6")
    assert six[front("2001:db8::9", 53)] == six[front("", 30053)] == six[front("fd10:96::a", 53)]
    assert of_service(service(clusterIP="None", ports=ports), slices, NODE) == {}
    assert of_service(service(type="ExternalName", clusterIP="", ports=ports), slices, NODE) == {}


def test_what_host_ports_are_reached_at() -> None:
    ports = (
        HostPort("UDP", 8125, "10.244.1.5", 53), HostPort("TCP", 8126, "10.244.1.5", 53),
        HostPort("UDP", 8127, "10.244.1.5", 53, "127.0.0.1"), HostPort("UDP", 8127, "fd10:244:1::5", 53, "::1"),
        HostPort("UDP", 8128, "fd10:244:1::5", 53, "::"),
    )  # fmt: skip
    four, six = behind("10.244.1.5", port=53), behind("fd10:244:1::5", port=53)
    assert of_host_ports(replace(NODE, host_ports=ports)) == {front("", 8125): four, front("127.0.0.1", 8127): four}
    assert of_host_ports(replace(SIX, host_ports=ports)) == {front("::1", 8127): six, front("", 8128): six}


def test_only_what_changed_is_looked_at() -> None:
    made = tracker({front("10.96.0.10", 53): behind("10.244.1.5", "10.244.1.6"), front("10.96.0.11", 53): behind()})
    assert made.looks() == []
    made.set(WEB, {front("10.96.0.10", 53): behind("10.244.1.6", "10.244.1.7"), front("10.96.0.11", 53): behind()})
    assert made.looks() == [Look("UDP", backend=ip("10.244.1.5"))]
    made.done()
    made.set(WEB, {front("10.96.0.10", 53): behind("10.244.1.6"), front("10.96.0.11", 53): behind("10.244.1.6")})
    assert made.looks() == [Look("UDP", port=53), Look("UDP", backend=ip("10.244.1.7"))]
    made.done()
    made.set(WEB, {})
    assert made.looks() == [Look("UDP", backend=ip("10.244.1.6"))]


def test_many_changes_are_one_look_at_everything() -> None:
    many = [f"10.244.1.{number}" for number in range(20)]
    made = tracker({front("10.96.0.10", 53): behind(*many)})
    made.set(WEB, {})
    made.set(DNS, {front("10.96.0.10", 9, "SCTP"): behind("10.244.1.9")})
    assert made.looks() == [Look("SCTP"), Look("UDP")]


def test_a_new_tracker_looks_at_everything_and_a_failed_look_is_taken_again() -> None:
    made = Tracker(lambda address: False)
    assert made.looks() == [Look("SCTP"), Look("UDP")]
    assert made.looks() == [Look("SCTP"), Look("UDP")], "nobody said that it was done"
    made.done()
    assert made.looks() == []
    made.distrust()
    assert made.looks() == [Look("SCTP"), Look("UDP")]


SERVED = {front("10.96.0.10", 53): behind("10.244.1.5"), front("", 30053): behind("10.244.1.5")}


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (to("10.96.0.10", 53, "10.244.1.5"), False),
        (to("10.96.0.10", 53, "10.244.1.6"), True),
        (to("10.96.0.10", 53, "10.244.1.5", 5354), True),
        (to("10.96.0.10", 53), True),
        (to("10.96.0.10", 54), False),
        (to("10.96.0.10", 53, "10.244.1.6", protocol="SCTP"), True),  # no such front, but a pod behind it
        (to(OWN, 30053, "10.244.1.5"), False),
        (to(OWN, 30053, "10.244.1.6"), True),
        (to(OWN, 30053), True),
        (to("192.0.2.7", 30053), False),  # on its way through
        (to("192.0.2.7", 443, "192.168.1.1"), False),  # somebody else's translation
        (to("192.0.2.7", 443, "10.244.1.6"), True),  # ours of old
    ],
)
def test_what_is_stale(flow: Flow, expected: bool) -> None:
    assert stale(tracker(SERVED), flow) is expected


def test_while_nobody_is_there_untranslated_flows_are_left_alone() -> None:
    made = tracker({front("203.0.113.9", 53): behind(), front("", 30053): behind()})
    assert not stale(made, to("203.0.113.9", 53)) and not stale(made, to(OWN, 30053))
    assert stale(made, to("203.0.113.9", 53, "10.244.1.5"))


def test_a_front_that_went_takes_its_flows_along_wherever_they_lead() -> None:
    made = tracker({front("203.0.113.9", 53): behind("192.0.2.5")})
    flow = to("203.0.113.9", 53, "192.0.2.5")
    assert not stale(made, flow)
    made.set(WEB, {})
    assert stale(made, flow)
    made.done()
    assert not stale(made, flow), "from now on it may be anybody's"


def test_two_may_have_the_same_front() -> None:
    shared = front("203.0.113.9", 53)
    made = tracker({shared: behind("10.244.1.5")})
    made.set(DNS, {shared: behind("10.244.1.6")})
    assert not stale(made, to("203.0.113.9", 53, "10.244.1.5")) and not stale(made, to("203.0.113.9", 53, "10.244.1.6"))
    made.set(WEB, {})
    assert stale(made, to("203.0.113.9", 53, "10.244.1.5")) and not stale(made, to("203.0.113.9", 53, "10.244.1.6"))


def test_a_named_front_comes_before_one_at_every_address() -> None:
    made = tracker({front("", 53): behind("10.244.1.5"), front(OWN, 53): behind("10.244.1.6")})
    assert stale(made, to(OWN, 53, "10.244.1.5")) and not stale(made, to(OWN, 53, "10.244.1.6"))


def test_where_the_node_listens_nothing_is_stale_until_it_ends() -> None:
    made = tracker({front("", 53): behind("10.244.1.5"), front(OWN, 54): behind("10.244.1.5")})
    made.set_taken(frozenset({("UDP", 53), ("UDP", 54), ("TCP", 80)}), frozenset())
    assert not stale(made, to(OWN, 53)) and not stale(made, to(OWN, 54))
    assert made.looks() == []
    made.set_taken(frozenset({("UDP", 54)}), frozenset())
    assert made.looks() == [Look("UDP", port=53)]
    assert stale(made, to(OWN, 53)) and not stale(made, to(OWN, 54))


def test_at_loopback_others_may_listen() -> None:
    made = tracker({front("", 53): behind("10.244.1.5")})
    made.set_taken(frozenset({("UDP", 53)}), frozenset())
    inside = to("127.0.0.53", 53)
    assert made.is_stale(inside, lambda address: True)
    made.set_taken(frozenset(), frozenset({("UDP", 53)}))
    made.done()
    assert not made.is_stale(inside, lambda address: True) and stale(made, to(OWN, 53))
    made.set_taken(frozenset(), frozenset())
    assert made.looks() == [Look("UDP", port=53)]
