"""Addresses, routes and configuration of the pod network."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.api.families import split
from longboat.network.overlay import addresses, cni, egress, host, routes, vxlan
from longboat.network.views import Node


def node(name: str, addresses: str, pods: str) -> Node:
    """Addresses and ranges of pods with commas between."""
    status: dict[str, Any] = {"addresses": [{"type": "InternalIP", "address": each} for each in split(addresses)]}
    spec: dict[str, Any] = {"podCIDR": pods.partition(",")[0], "podCIDRs": list(split(pods))}
    return msgspec.convert({"metadata": {"name": name}, "spec": spec, "status": status}, Node)


def test_addresses_of_a_bridge() -> None:
    assert addresses.host_address("172.30.8.0/24") == "172.30.8.1"
    assert addresses.node_address("172.30.8.0/24", 2) == "172.30.8.12"
    with pytest.raises(ValueError, match="has no address"):
        addresses.node_address("172.30.8.0/24", 250)
    assert addresses.host_address("fd00:1::/64") == "fd00:1::1"
    assert addresses.node_addresses("172.30.8.0/24,fd00:1::/64", 2) == ("172.30.8.12", "fd00:1::c")
    assert addresses.load_balancer_pool("172.30.8.0/24") == "172.30.8.224/27"
    assert addresses.load_balancer_pool("fd00:1::/64") == "fd00:1::ffff:ffff:ffff:ffe0/123"


ranges = st.builds(
    lambda address, bits: f"{address}/{bits % (address.max_prefixlen + 1)}", st.ip_addresses(), st.integers(0, 999)
)


@given(ranges, ranges)
def test_ranges_overlap_as_the_standard_library_says(one: str, other: str) -> None:
    from ipaddress import ip_network

    a, b = ip_network(one, False), ip_network(other, False)
    assert addresses.overlap(one, other) == (a.version == b.version and a.overlaps(b))


@given(ranges, st.integers(0, 1 << 20))
def test_addresses_are_counted_as_the_standard_library_does(cidr: str, index: int) -> None:
    from ipaddress import ip_address, ip_network

    network = ip_network(cidr, False)
    assert addresses.size(str(network)) == network.num_addresses
    if index < network.num_addresses:
        assert ip_address(addresses.nth(str(network), index)) == network[index]


def test_routes_go_to_the_other_nodes_of_this_link() -> None:
    nodes = [
        node("node-1", "172.30.0.11", "10.244.0.0/24"),
        node("node-2", "172.30.0.12", "10.244.1.0/24"),
        node("node-3", "172.30.0.13", ""),
        node("node-4", "", "10.244.3.0/24"),
        node("elsewhere", "192.0.2.7", "10.244.4.0/24"),
    ]
    assert routes.wanted(nodes, "node-1", "172.30.0.0/24") == {"10.244.1.0/24": "172.30.0.12"}


def test_each_range_goes_through_its_family_or_else_the_tunnel() -> None:
    both, links = "10.244.1.0/24,fd10:1::/64", "172.30.0.0/24,fd00:1::/64"
    nodes = [
        node("own", "172.30.0.11,fd00:1::b", "10.244.0.0/24,fd10::/64"),
        node("near", "172.30.0.12,fd00:1::c", both),
        node("half", "172.30.0.13", "10.244.2.0/24,fd10:2::/64"),
        node("far", "192.0.2.7,2001:db8::7", "10.244.3.0/24,fd10:3::/64"),
        node("six", "2001:db8::8", "fd10:4::/64"),
    ]
    assert routes.wanted(nodes, "own", links) == {
        "10.244.1.0/24": "172.30.0.12", "fd10:1::/64": "fd00:1::c", "10.244.2.0/24": "172.30.0.13",
    }  # fmt: skip
    tunnelled = vxlan.peers(nodes, "own", links, "172.30.0.11")
    assert {cidr: (peer.address, peer.end) for cidr, peer in tunnelled.items()} == {
        "fd10:2::/64": ("172.30.0.13", "fd10:2::"),
        "10.244.3.0/24": ("192.0.2.7", "10.244.3.0"),
        "fd10:3::/64": ("192.0.2.7", "fd10:3::"),
    }
    assert vxlan.peers(nodes, "own", links, "fd00:1::b").keys() == {"10.244.3.0/24", "fd10:3::/64", "fd10:4::/64"}
    assert len({vxlan.mac(address) for address in ("192.0.2.7", "2001:db8::7", "2001:db8::8")}) == 3


@given(
    st.dictionaries(st.integers(0, 5).map(str), st.sampled_from("ab")),
    st.dictionaries(st.integers(0, 5).map(str), st.sampled_from("ab")),
)
def test_a_change_leads_to_what_is_wanted(present: dict[str, str], want: dict[str, str]) -> None:
    change = routes.change(present, want)
    after = {cidr: gateway for cidr, gateway in present.items() if cidr not in change.delete} | dict(change.replace)
    assert after == want
    assert routes.change(want, want) == routes.Change({}, frozenset())


def test_nobody_else_reads_the_leases(tmp_path: Path) -> None:
    place = tmp_path / "cni" / "networks"
    cni.leases(place)
    assert place.stat().st_mode & 0o777 == 0o700
    place.chmod(0o755)  # as a former version, or the plugin, has made it
    cni.leases(place)
    assert place.stat().st_mode & 0o777 == 0o700


def test_the_cni_configuration_is_written_once(tmp_path: Path) -> None:
    text = cni.conflist(["10.244.1.0/24"], "/state", 1450)
    bridge = json.loads(text)["plugins"][0]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]] and bridge["mtu"] == 1450
    assert bridge["ipam"]["routes"] == [{"dst": "0.0.0.0/0"}]
    assert not bridge["ipMasq"] and bridge["hairpinMode"]
    assert cni.write(tmp_path / "net.d", text) and not cni.write(tmp_path / "net.d", text)
    assert [path.name for path in (tmp_path / "net.d").iterdir()] == [cni.FILE]


def test_pods_get_an_address_of_each_family() -> None:
    ipam = json.loads(cni.conflist(["fd00:1::/64", "10.244.1.0/24"], "/state", 1500))["plugins"][0]["ipam"]
    assert ipam["ranges"] == [[{"subnet": "fd00:1::/64", "rangeEnd": "fd00:1::fe"}], [{"subnet": "10.244.1.0/24"}]]
    assert ipam["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]


def test_what_forward6_changed_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And routes that routers advertise are taken as before, though a machine that forwards takes none by itself."""
    record, conf = tmp_path / "record", tmp_path / "conf"
    before = {"all": ("0", "1"), "eth0": ("0", "1"), "wlan0": ("0", "0"), "eth1": ("0", "2")}
    for link, (forwards, hears) in before.items():
        (conf / link).mkdir(parents=True)
        (conf / link / "forwarding").write_text(forwards + "\n")
        (conf / link / "accept_ra").write_text(hears + "\n")
    monkeypatch.setattr(host, "SYS", tmp_path)
    monkeypatch.setattr(host, "CONF6", "conf")

    def present(name: str) -> dict[str, str]:
        return {link: (conf / link / name).read_text().strip() for link in before}

    for _ in range(2):
        egress.forward6(record)
        assert present("accept_ra") == {"all": "1", "eth0": "2", "wlan0": "0", "eth1": "2"}
        assert present("forwarding")["all"] == "1"
    egress.restore6(record)
    egress.restore6(record)
    assert present("accept_ra") == {link: hears for link, (_, hears) in before.items()}
    assert present("forwarding")["all"] == "0" and not record.exists()


def test_what_forward_changed_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch, record = tmp_path / "ip_forward", tmp_path / "record"
    switch.write_text("0\n")
    monkeypatch.setattr(egress, "FORWARD", switch)
    egress.forward(record)
    egress.forward(record)
    assert switch.read_text() == "1\n"
    egress.restore(record)
    egress.restore(record)
    assert switch.read_text() == "0\n" and not record.exists()


def test_addresses_are_of_light_imports() -> None:
    """The command line starts with it: see the module's docstring."""
    tree = ast.parse(Path(addresses.__file__).read_text())
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules = {name.name for n in ast.walk(tree) if isinstance(n, ast.Import) for name in n.names}
    assert imported == {"__future__", "longboat.api.families"} and modules == {"socket"}
