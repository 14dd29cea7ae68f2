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

from longboat.network.overlay import addresses, cni, egress, routes
from longboat.network.views import Node


def node(name: str, address: str, pods: str) -> Node:
    status: dict[str, Any] = {"addresses": [{"type": "InternalIP", "address": address}] if address else []}
    return msgspec.convert({"metadata": {"name": name}, "spec": {"podCIDR": pods}, "status": status}, Node)


def test_addresses_of_a_bridge() -> None:
    assert addresses.host_address("172.30.8.0/24") == "172.30.8.1"
    assert addresses.node_address("172.30.8.0/24", 2) == "172.30.8.12"
    with pytest.raises(ValueError, match="has no address"):
        addresses.node_address("172.30.8.0/24", 250)


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4), st.integers(0, 32))
def test_ranges_overlap_as_the_standard_library_says(a: Any, a_bits: int, b: Any, b_bits: int) -> None:
    from ipaddress import ip_network

    one, other = f"{a}/{a_bits}", f"{b}/{b_bits}"
    assert addresses.overlap(one, other) == ip_network(one, False).overlaps(ip_network(other, False))


def test_routes_go_to_the_other_nodes_of_this_link() -> None:
    nodes = [
        node("node-1", "172.30.0.11", "10.244.0.0/24"),
        node("node-2", "172.30.0.12", "10.244.1.0/24"),
        node("node-3", "172.30.0.13", ""),
        node("node-4", "", "10.244.3.0/24"),
        node("elsewhere", "192.0.2.7", "10.244.4.0/24"),
    ]
    assert routes.wanted(nodes, "node-1", "172.30.0.0/24") == {"10.244.1.0/24": "172.30.0.12"}


@given(
    st.dictionaries(st.integers(0, 5).map(str), st.sampled_from("ab")),
    st.dictionaries(st.integers(0, 5).map(str), st.sampled_from("ab")),
)
def test_a_change_leads_to_what_is_wanted(present: dict[str, str], want: dict[str, str]) -> None:
    change = routes.change(present, want)
    after = {cidr: gateway for cidr, gateway in present.items() if cidr not in change.delete} | dict(change.replace)
    assert after == want
    assert routes.change(want, want) == routes.Change({}, frozenset())


def test_the_cni_configuration_is_written_once(tmp_path: Path) -> None:
    text = cni.conflist("10.244.1.0/24", "/state", 1450)
    bridge = json.loads(text)["plugins"][0]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]] and bridge["mtu"] == 1450
    assert not bridge["ipMasq"] and bridge["hairpinMode"]
    assert cni.write(tmp_path / "net.d", text) and not cni.write(tmp_path / "net.d", text)
    assert [path.name for path in (tmp_path / "net.d").iterdir()] == [cni.FILE]


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


def test_addresses_are_free_of_imports() -> None:
    """The command line starts with it: see the module's docstring."""
    tree = ast.parse(Path(addresses.__file__).read_text())
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported == {"__future__"} and not any(isinstance(n, ast.Import) for n in ast.walk(tree))
