"""One mechanism, two families: what holds of the rules of one holds, word for word, of the other's."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from longboat.network.families import IPV4, IPV6
from longboat.network.policy import rules as policy
from longboat.network.policy.attachments import Attachment
from longboat.network.policy.ports import port_rules
from longboat.network.proxy.rules import HostPort, NodeInfo, rules
from longboat.network.ruleset import Ruleset
from longboat.network.views import EndpointSlice, Service
from unit.network.policy.test_rules import PODS
from unit.network.policy.test_rules import policy as network_policy
from unit.network.test_rules import NODE, clusters, endpoint, piece, service

T = TypeVar("T")
SIX = NodeInfo("node-1", IPV6, pod_cidr="fd10:244:1::/124", cluster_cidr="fd10:244::/32")
# From an IPv6 loopback address nothing gets to a pod.
LEAVES = ',"ct status dnat ip saddr 127.0.0.0/8 masquerade fully-random"'
STAYS = "ip saddr != 127.0.0.0/8 ip daddr"
AT = Attachment(
    sandbox="s", namespace="a", name="x", uid="u", port="veth0", mac="02:00:00:00:00:01",
    addresses=("10.0.0.1", "fd10::1"),
)  # fmt: skip


def six(text: str) -> str:
    """IPv6 addresses for IPv4's: 10.244.1.9 becomes fd10:244:1::9."""
    return re.sub(
        r"\b10\.(\d+)\.(\d+)\.(\d+)", lambda m: f"fd10:{m[1]}:{m[2]}::{int(m[3]):x}", text.replace("IPv4", "IPv6")
    )


def four(text: str) -> str:
    """The way back, also for the words of nft."""
    for one, other in (
        ("fd10:244::/32", "10.244.0.0/16"), ("ip6 ", "ip "), ("ipv6_addr", "ipv4_addr"), ("!= ::1", "!= 127.0.0.0/8"),
        ("addr ::1 ", "addr 127.0.0.0/8 "),
    ):  # fmt: skip
        text = text.replace(one, other)
    text = re.sub(r"fd10[_:](\d+)[_:](\d+)(?:__|::)([0-9a-f]*)", lambda m: f"10.{m[1]}.{m[2]}.{int(m[3], 16)}", text)
    return re.sub(r"\[([\d.]+)\]", r"\1", text)


def in_six(thing: T) -> T:
    return msgspec.convert(msgspec.json.decode(six(msgspec.json.encode(thing).decode())), type(thing))


def in_four(found: Ruleset) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(four(text(found)))
    return decoded


def text(found: Ruleset) -> str:
    return msgspec.json.encode(found).decode()


@given(clusters())
def test_rules_of_one_family_are_those_of_the_other(
    cluster: tuple[list[Service], list[EndpointSlice], NodeInfo],
) -> None:
    services, slices, node = cluster
    ports = tuple(replace(port, pod_ip=six(port.pod_ip)) for port in node.host_ports)
    other = rules(
        [in_six(each) for each in services], [in_six(each) for each in slices], replace(SIX, host_ports=ports)
    )
    one = text(rules(services, slices, node)).replace(LEAVES, "")
    assert json.dumps(in_four(other)).replace(STAYS, "ip daddr") == json.dumps(msgspec.json.decode(one))


@given(clusters())
def test_a_family_does_not_see_the_other(cluster: tuple[list[Service], list[EndpointSlice], NodeInfo]) -> None:
    services, slices, node = cluster
    assert rules([in_six(each) for each in services], [in_six(each) for each in slices], NODE) == rules([], [], NODE)
    assert rules(services, slices, replace(SIX, host_ports=node.host_ports)) == rules([], [], SIX)


def test_a_service_of_two_families_has_its_endpoints_in_each() -> None:
    addresses = ["10.96.0.10", "fd10:96:0::a"]
    both = service(clusterIPs=addresses, **{"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]})
    slices = [piece(endpoint("10.244.1.5")), in_six(piece(endpoint("10.244.1.5")))]
    assert rules([both], slices, NODE) == rules([msgspec.structs.replace(both)], slices[:1], NODE)
    second = rules([both], slices, SIX)
    assert second.elements["service-addresses"].keys() == {"fd10:96:0::a . tcp . 80"}
    assert any("dnat ip6 to [fd10:244:1::5]:8080" in rule for chain in second.chains.values() for rule in chain.rules)
    # Its primary family may be either.
    turned = service(address=addresses[1], clusterIPs=addresses[::-1], ports=[{"port": 80}])
    assert rules([turned], slices, NODE).elements["service-addresses"].keys() == {"10.96.0.10 . tcp . 80"}


def test_names_fit_into_what_nft_allows() -> None:
    long = service("w" * 63, clusterIPs=["fd10:96:0::a"], sessionAffinity="ClientIP", type="NodePort",
                   ports=[{"port": 65535, "nodePort": 30080, "protocol": "SCTP"}])  # fmt: skip
    long = msgspec.structs.replace(long, metadata=msgspec.structs.replace(long.metadata, namespace="n" * 63))
    slices = in_six(piece(endpoint("10.244.1.5"), owner="w" * 63, ports=({"port": 65535, "protocol": "SCTP"},)))
    there = {"addresses": ["fd10:2222:3333:4444:5555:6666:7777:8888"], "nodeName": "x"}
    slices = msgspec.convert(
        {**msgspec.to_builtins(slices), "endpoints": [there],
         "metadata": {"namespace": "n" * 63, "labels": {"kubernetes.io/service-name": "w" * 63}}}, EndpointSlice,
    )  # fmt: skip
    found = rules([long], [slices], SIX)
    assert len(found.tables) > len(rules([], [], SIX).tables)
    assert max(map(len, (*found.chains, *found.tables))) < 128


def test_host_ports_are_of_the_pods_family() -> None:
    ports = (
        HostPort("TCP", 8088, "10.244.1.9", 80),
        HostPort("TCP", 8088, "fd10:244:1::9", 80),
        HostPort("TCP", 8089, "fd10:244:1::9", 80, "fd30::b"),
    )
    elements = rules([], [], replace(SIX, host_ports=ports)).elements
    assert elements["host-ports"] == {"tcp . 8088": "fd10:244:1::9 . 80"}
    assert elements["host-address-ports"] == {"fd30::b . tcp . 8089": "fd10:244:1::9 . 80"}
    assert rules([], [], replace(NODE, host_ports=ports)).elements["host-ports"] == {"tcp . 8088": "10.244.1.9 . 80"}


def test_a_policy_holds_in_both_families() -> None:
    blocks = [{"ipBlock": {"cidr": cidr}} for cidr in ("10.0.0.0/8", "fd00::/8")]
    peers = [{"podSelector": {"matchLabels": {"app": "y"}}}, *blocks]
    made = network_policy(ingress=[{"from": peers, "ports": [{"port": "web"}]}])
    found = {
        family: policy.policy_rules(made, dict.fromkeys("a", pods).__getitem__, list, family)
        for family, pods in ((IPV4, PODS[:2]), (IPV6, [in_six(pod) for pod in PODS[:2]]))
    }
    (one,), (other,) = ([line for c in found[f].chains.values() for line in c.rules][1:] for f in (IPV4, IPV6))
    assert one.startswith("ct original ip saddr 10.0.0.0/8 ct protocol tcp ct reply ip saddr . ct reply proto-src @")
    assert other == one.replace("ip ", "ip6 ").replace("10.0.0.0/8", "fd00::/8")
    assert four(str([dict(t) for t in found[IPV6].elements.values()])) == str(list(found[IPV4].elements.values()))
    for family, address in ((IPV4, "10.0.0.1"), (IPV6, "fd10::1")):
        found_of = policy.assignment(AT.of(family), policy.isolation([made]))
        assert found_of.elements[policy.TO].keys() == {address}
    assert policy.assignment([], policy.isolation([made])) == Ruleset()


def test_neighbours_are_found_and_link_local_addresses_are_no_way_round() -> None:
    chains = policy.base(IPV6).chains
    for chain in (chains["egress"], chains["ingress"]):
        neighbours, *closed = chain.rules[:3]
        assert "nd-neighbor-solicit" in neighbours and neighbours.endswith("accept")
        assert all(rule.endswith("drop") and "fe80::/10" in rule for rule in closed)
        assert "vmap" in chain.rules[4]
    assert not any("nd-" in rule for chain in policy.base(IPV4).chains.values() for rule in chain.rules)


def test_a_port_lets_in_what_is_of_the_pod_and_of_the_clusters_families() -> None:
    (both,) = port_rules(AT, (IPV4, IPV6)).chains.values()
    assert "ether type ip6 ip6 saddr { fd10::1, fe80::ff:fe00:1 } accept" in both.rules and both.rules[-1] == "drop"
    (one,) = port_rules(AT, (IPV4,)).chains.values()
    assert [rule for rule in one.rules if "ip6 " in rule and "!=" not in rule] == []


@given(st.sampled_from(["", "None"]))
def test_what_is_no_address_is_of_no_family(nothing: str) -> None:
    assert not IPV4.has(nothing) and not IPV6.has(nothing)
