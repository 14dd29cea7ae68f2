"""Ranges of nodes, of one IP family or two."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from longboat.controllers.node_ranges import FreeList, take_each

PODS = ("10.244.0.0/16", "fd00:2::/56")


@given(st.permutations(PODS), st.integers(1, 12))
def test_every_node_has_ranges_of_its_own_in_each_family(order: list[str], count: int) -> None:
    lists, used = [FreeList(cluster) for cluster in order], set[str]()
    for _ in range(count):
        given = take_each(lists)
        assert [(ipaddress.ip_network(each).version, each.partition("/")[2]) for each in given] == [
            (4, "24") if "." in cluster else (6, "64") for cluster in order
        ]
        assert not used & set(given)
        used |= set(given)


def test_a_node_gets_both_or_none() -> None:
    lists = [FreeList("10.0.0.0/23"), FreeList("fd00::/64")]
    assert take_each(lists) == ["10.0.0.0/24", "fd00::/64"]
    assert take_each(lists) == []
    lists[1].release("fd00::/64")
    assert take_each(lists) == ["10.0.1.0/24", "fd00::/64"]


def test_a_cluster_range_no_larger_than_a_node_s_is_one_node_s() -> None:
    small = FreeList("10.0.0.128/25")
    assert (small.take(), small.take()) == ("10.0.0.128/25", None)


FOUR = ("10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24")
HELD = st.sampled_from((*FOUR, "10.0.0.0/23", "10.0.2.0/23", "10.0.1.64/26", "10.0.0.0/8", "10.9.0.0/24", "fd00::/64"))


@given(st.lists(st.one_of(st.tuples(st.just("hold"), HELD), st.just(("take", "")), st.just(("release", "")))))
def test_what_is_free_is_what_overlaps_nobody_s(steps: list[tuple[str, str]]) -> None:
    """Held against a search through all, whatever ranges nodes come with, twice the same among them."""
    free, held = FreeList("10.0.0.0/22"), list[str]()
    for act, cidr in steps:
        if act == "hold":
            free.hold(cidr)
            held.append(cidr)
        elif act == "release" and held:
            free.release(held.pop(len(held) // 2))
        elif act == "take":
            taken = [ipaddress.ip_network(each) for each in held if ":" not in each]
            possible = [each for each in FOUR if not any(ipaddress.ip_network(each).overlaps(t) for t in taken)]
            found = free.take()
            assert found in (possible or [None])
            held += [found] if found else []


def test_a_large_range_is_given_and_given_back_without_a_search() -> None:
    """2^44 parts: whatever walks through them does not end."""
    free = FreeList("fd00::/20")
    free.hold("fd00::/21")
    assert free.take() == "fd00:800::/64"
    free.release("fd00::/21")
    assert free.take() == "fd00::/64"
