"""Ranges of nodes and addresses of load balancers, of one IP family or two."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.controllers.loadbalancer.addresses import NoAddress, from_pools
from longboat.controllers.node_ipam import free_ranges

PODS = "10.244.0.0/16,fd00:2::/56"
POOLS = "172.30.0.224/27,fd00:1::ffe0/123"


@given(st.permutations(PODS.split(",")), st.integers(1, 12))
def test_every_node_has_ranges_of_its_own_in_each_family(order: list[str], count: int) -> None:
    used: set[str] = set()
    for _ in range(count):
        given = free_ranges(",".join(order), used)
        assert [(ipaddress.ip_network(each).version, each.partition("/")[2]) for each in given] == [
            (4, "24") if "." in cluster else (6, "64") for cluster in order
        ]
        assert not used & set(given)
        used |= set(given)


def test_a_node_gets_both_or_none() -> None:
    assert free_ranges("10.0.0.0/24,fd00::/56", {"10.0.0.0/24"}) == []
    assert free_ranges("10.0.0.0/24", set()) == ["10.0.0.0/24"]


def test_a_load_balancer_has_an_address_of_each_of_its_families() -> None:
    both = ["172.30.0.224", "fd00:1::ffe0"]
    assert from_pools(POOLS, ["IPv4", "IPv6"], [], ()) == both
    assert from_pools(POOLS, ["IPv6", "IPv4"], [], ()) == both[::-1]
    assert from_pools(POOLS, ["IPv6"], both, ()) == ["fd00:1::ffe0"]
    assert from_pools(POOLS, ["IPv4", "IPv6"], ["172.30.0.230"], both[1:]) == ["172.30.0.230", "fd00:1::ffe1"]
    assert from_pools(POOLS, ["IPv4", "IPv6"], both, (), "fd00:1::fff0") == ["172.30.0.224", "fd00:1::fff0"]
    assert from_pools(POOLS, ["IPv4"], both, (), "172.30.0.224") == ["172.30.0.224"]


def test_a_family_without_a_pool_is_done_without() -> None:
    four = POOLS.partition(",")[0]
    assert from_pools(four, ["IPv6", "IPv4"], [], ()) == ["172.30.0.224"]
    with pytest.raises(NoAddress, match="no pool of IPv6 addresses"):
        from_pools(four, ["IPv6"], [], ())
    with pytest.raises(NoAddress, match=r"fd00:1::ffe0 is not in 172\.30"):
        from_pools(four, ["IPv4", "IPv6"], [], (), "fd00:1::ffe0")
