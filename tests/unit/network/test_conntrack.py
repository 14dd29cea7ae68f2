"""Which tracked UDP flows must be forgotten when endpoints change."""

from __future__ import annotations

from longboat.network.proxy.conntrack import Flow, Front, arguments, fronts, stale
from unit.network.test_rules import NODE, endpoint, piece, service

DNS = {"type": "NodePort", "ports": [{"port": 53, "protocol": "UDP", "nodePort": 30053}, {"port": 80}]}
ADDRESS, NODE_PORT = Front("10.96.0.10", 53), Front("", 30053)


def behind(*addresses: str) -> dict[Front, frozenset[str]]:
    slices = [piece(*(endpoint(a) for a in addresses), ports=({"port": 5353, "protocol": "UDP"},))]
    return fronts(service(**DNS), slices, NODE)


def test_only_udp_has_fronts() -> None:
    assert behind("10.244.1.5") == dict.fromkeys((ADDRESS, NODE_PORT), frozenset({"10.244.1.5"}))


def test_flows_to_an_endpoint_that_went() -> None:
    changed = stale(behind("10.244.1.5", "10.244.1.6"), behind("10.244.1.6"))
    assert changed == [Flow(NODE_PORT, "10.244.1.5"), Flow(ADDRESS, "10.244.1.5")]
    assert arguments(changed[1]) == [
        *("-D", "-f", "ipv4", "-p", "udp", "--orig-port-dst", "53"),
        *("--orig-dst", "10.96.0.10", "--reply-src", "10.244.1.5"),
    ]


def test_flows_from_before_there_was_an_endpoint() -> None:
    assert stale({}, behind("10.244.1.5")) == [Flow(NODE_PORT), Flow(ADDRESS)]
    assert stale(behind(), behind("10.244.1.5")) == [Flow(NODE_PORT), Flow(ADDRESS)]


def test_a_service_that_went_and_one_that_stays() -> None:
    assert stale(behind("10.244.1.5"), {}) == [Flow(NODE_PORT, "10.244.1.5"), Flow(ADDRESS, "10.244.1.5")]
    assert stale(behind("10.244.1.5"), behind("10.244.1.5")) == []
