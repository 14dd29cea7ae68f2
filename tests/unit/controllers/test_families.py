"""Addresses of load balancers, of one IP family or two."""

from __future__ import annotations

import pytest

from longboat.controllers.loadbalancer.addresses import NoAddress, from_pools

POOLS = "172.30.0.224/27,fd00:1::ffe0/123"


def test_a_load_balancer_has_an_address_of_each_of_its_families() -> None:
    both = ["172.30.0.224", "fd00:1::ffe0"]
    assert from_pools(POOLS, ["IPv4", "IPv6"], [], ()) == both
    assert from_pools(POOLS, ["IPv6", "IPv4"], [], ()) == both[::-1]
    assert from_pools(POOLS, ["IPv6"], both, ()) == ["fd00:1::ffe0"]
    assert from_pools(POOLS, ["IPv4", "IPv6"], ["172.30.0.230"], both[1:]) == ["172.30.0.230", "fd00:1::ffe1"]
    assert from_pools(POOLS, ["IPv4", "IPv6"], both, (), "fd00:1::fff0") == ["172.30.0.224", "fd00:1::fff0"]
    assert from_pools(POOLS, ["IPv4"], both, (), "172.30.0.224") == ["172.30.0.224"]


def test_what_is_of_no_pool_any_more_is_given_back() -> None:
    """The pool was another when it was given: nodes were all simulated, or there was none."""
    assert from_pools(POOLS, ["IPv4", "IPv6"], ["198.51.100.1", "fd00:1::ffe4"], ()) == ["172.30.0.224", "fd00:1::ffe4"]
    assert from_pools(POOLS, ["IPv4"], ["127.0.0.1"], ["172.30.0.224"]) == ["172.30.0.225"]


def test_a_family_without_a_pool_is_done_without() -> None:
    four = POOLS.partition(",")[0]
    assert from_pools(four, ["IPv6", "IPv4"], [], ()) == ["172.30.0.224"]
    with pytest.raises(NoAddress, match="no pool of IPv6 addresses"):
        from_pools(four, ["IPv6"], [], ())
    with pytest.raises(NoAddress, match=r"fd00:1::ffe0 is not in 172\.30"):
        from_pools(four, ["IPv4", "IPv6"], [], (), "fd00:1::ffe0")
