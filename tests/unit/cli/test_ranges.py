"""Flags that take a range of each IP family, and the IPv6 ranges `up` chooses."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.cli import nodes, ranges
from longboat.cli.agent import Options as AgentOptions
from longboat.cli.agent import with_ranges as agent_ranges
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Usage
from longboat.cli.server import Options as ServerOptions
from longboat.cli.server import with_ranges as server_ranges
from longboat.network.overlay import addresses

FOUR, SIX = "10.96.0.0/16", "fd00:1::/112"


@pytest.mark.parametrize("good", [FOUR, SIX, f"{FOUR},{SIX}", f"{SIX},{FOUR}"])
def test_one_range_or_one_of_each_family(good: str) -> None:
    assert ranges.checked("--service-cidr", good) == good
    assert ranges.checked("--service-cidr", good.replace(",", " , ")) == good


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("", "must contain at least one valid cidr"),
        (f"{FOUR},10.97.0.0/16", r"--pod-cidr\[0\] and --pod-cidr\[1\] must be of different IP family"),
        (f"{SIX},fd00:2::/112", "must be of different IP family"),
        (f"{FOUR},{SIX},fd00:2::/112", "must not contain more than two entries"),
        ("10.96.0.1/16", "is not a valid cidr: .*has host bits set"),
        (f"{FOUR},fd00:1::", "is not a valid cidr: it has no prefix length"),
        ("ten", "is not a valid cidr"),
    ],
)
def test_other_combinations_are_bad_usage(bad: str, why: str) -> None:
    with pytest.raises(Usage, match=why):
        ranges.checked("--pod-cidr", bad)
    with pytest.raises(Usage, match=why):
        server_ranges(replace(ServerOptions(), pod_cidr=bad))
    with pytest.raises(Usage, match=why):
        agent_ranges(replace(AgentOptions(), pod_cidr=bad))


def test_a_nodes_addresses() -> None:
    assert ranges.checked_addresses("--node-ip", "") == ()
    assert ranges.checked_addresses("--node-ip", "192.0.2.1,fd00::1") == ("192.0.2.1", "fd00::1")
    for bad, why in (
        ("192.0.2.1,192.0.2.2", "must be of different IP family"),
        ("192.0.2.1,fd00::1,fd00::2", "must contain either a single IP or a dual-stack pair of IPs"),
        ("here", "is not an IP address"),
    ):
        with pytest.raises(Usage, match=why):
            agent_ranges(replace(AgentOptions(), node_ip=bad))


def test_flags_left_alone_are_fine() -> None:
    assert server_ranges(ServerOptions()) == ServerOptions()
    assert agent_ranges(AgentOptions()) == AgentOptions()


@given(st.binary(min_size=5, max_size=5))
def test_a_cluster_gets_a_site_of_its_own(site: bytes) -> None:
    single = Cluster("c", "/d", 1, node_cidr="172.30.0.0/24")
    chosen = nodes.with_second_family(single, site.hex())
    found = []
    for before, after in zip(
        (single.node_cidr, single.pod_cidr, single.service_cidr),
        (chosen.node_cidr, chosen.pod_cidr, chosen.service_cidr),
        strict=True,
    ):
        first, second = after.split(",")
        assert first == before and second == str(ipaddress.ip_network(second))
        found.append(ipaddress.ip_network(second))
    assert all(each.subnet_of(ipaddress.ip_network("fd00::/8")) for each in found)  # type: ignore[arg-type]
    assert len({each.network_address.packed[:6] for each in found}) == 1
    assert not any(addresses.overlap(str(a), str(b)) for a in found for b in found if a is not b)


def test_without_ipv6_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "IPV6_SETTINGS", tmp_path)
    assert not nodes.has_ipv6(), "the kernel has none"
    for each in ("all", "default"):
        (tmp_path / each).mkdir()
        (tmp_path / each / "disable_ipv6").write_text("0\n")
    assert nodes.has_ipv6()
    (tmp_path / "all" / "disable_ipv6").write_text("1\n")
    assert not nodes.has_ipv6(), "it has been told to have none"
