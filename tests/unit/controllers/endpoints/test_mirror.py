"""What Endpoints say, their mirrored slices say too."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.api.view import Meta
from longboat.controllers.endpoints import mirror
from longboat.controllers.endpoints.views import (
    Endpoint,
    EndpointAddress,
    EndpointConditions,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    Subset,
)

HTTP, DNS = EndpointPort(name="http", port=80), EndpointPort(name="dns", protocol="UDP", port=53)


def addresses(*ips: str) -> list[EndpointAddress]:
    return [EndpointAddress(ip=ip) for ip in ips]


def endpoints(*subsets: Subset, **meta: Any) -> Endpoints:
    return Endpoints(metadata=Meta(name="outside", namespace="default", **meta), subsets=list(subsets))


def written(of: Endpoints, plan: mirror.Plan, existing: list[EndpointSlice]) -> list[EndpointSlice]:
    """The slices once the plan is carried out."""
    overwritten = {old.metadata.name for old, _, _ in plan.write if old}
    gone = {each.metadata.name for each in plan.delete}
    fresh = [
        EndpointSlice(
            metadata=Meta(
                name=old.metadata.name if old else f"new-{family}-{ports}",
                labels=mirror.labels_of(of),
                annotations=mirror.annotations_of(of),
            ),
            addressType=family,
            ports=list(ports),
            endpoints=held,
        )
        for old, (family, ports), held in plan.write
    ]
    return [each for each in existing if each.metadata.name not in overwritten | gone] + fresh


def said(slices: list[EndpointSlice]) -> set[tuple[str, EndpointPort, bool | None]]:
    return {(e.addresses[0], port, e.conditions.ready) for s in slices for port in s.ports for e in s.endpoints}


def test_both_families_and_both_states() -> None:
    given = Subset(
        addresses=addresses("10.0.0.1", "2001:db8::1"), notReadyAddresses=addresses("10.0.0.2"), ports=[HTTP]
    )
    found = mirror.mirrored(endpoints(given))
    assert found.groups == {
        ("IPv4", (HTTP,)): [
            Endpoint(addresses=["10.0.0.1"], conditions=EndpointConditions(ready=True)),
            Endpoint(addresses=["10.0.0.2"], conditions=EndpointConditions(ready=False)),
        ],
        ("IPv6", (HTTP,)): [Endpoint(addresses=["2001:db8::1"], conditions=EndpointConditions(ready=True))],
    }
    assert (found.invalid, found.too_many) == (0, 0)


def test_ports_of_the_same_addresses_share_a_slice_and_not_ready_wins() -> None:
    one = Subset(addresses=addresses("10.0.0.1"), ports=[HTTP])
    two = Subset(addresses=addresses("10.0.0.1"), ports=[DNS])
    other = Subset(notReadyAddresses=addresses("10.0.0.1"), ports=[DNS])
    assert list(mirror.mirrored(endpoints(one, two)).groups) == [("IPv4", (DNS, HTTP))]
    apart = mirror.mirrored(endpoints(one, two, other)).groups
    assert {group[1]: held[0].conditions.ready for group, held in apart.items()} == {(HTTP,): True, (DNS,): False}
    assert list(mirror.mirrored(endpoints(Subset(addresses=addresses("10.0.0.1")))).groups) == [("IPv4", ())]


def test_what_is_cut_and_what_is_no_address() -> None:
    many = addresses(*(f"10.0.{n // 250}.{n % 250}" for n in range(999)))
    given = Subset(addresses=[*many, *addresses("nonsense")], notReadyAddresses=addresses("10.9.0.1", "10.9.0.2"))
    found = mirror.mirrored(endpoints(given, Subset(addresses=addresses("10.8.0.1"), ports=[HTTP])))
    assert (found.invalid, found.too_many) == (1, 1)
    assert [len(held) for held in found.groups.values()] == [1000, 1]


@pytest.mark.parametrize(
    ("meta", "wanted"),
    [
        ({}, True),
        ({"labels": {mirror.SKIP: "true"}}, False),
        ({"labels": {mirror.SKIP: "false"}}, True),
        ({"annotations": {mirror.LEADER: "{}"}}, False),
    ],
)
def test_which_are_mirrored(meta: dict[str, Any], wanted: bool) -> None:
    assert mirror.wanted(endpoints(**meta)) is wanted


def test_labels_and_annotations_come_along() -> None:
    last = "endpoints.kubernetes.io/last-change-trigger-time"
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    given = endpoints(
        labels={"a": "b", mirror.MANAGED_BY: "somebody"}, annotations={"c": "d", last: "now", applied: "{}"}
    )
    assert mirror.labels_of(given) == {"a": "b", mirror.MANAGED_BY: mirror.MANAGER, mirror.SERVICE_NAME: "outside"}
    assert mirror.annotations_of(given) == {"c": "d"}


def test_a_slice_is_overwritten_rather_than_replaced() -> None:
    old = endpoints(Subset(addresses=addresses("10.0.0.1"), ports=[HTTP]))
    slices = written(old, mirror.plan(old, mirror.mirrored(old).groups, []), [])
    new = endpoints(Subset(addresses=addresses("10.0.0.2"), ports=[DNS]))
    plan = mirror.plan(new, mirror.mirrored(new).groups, slices)
    assert [old for old, _, _ in plan.write] == slices and not plan.delete
    six = endpoints(Subset(addresses=addresses("2001:db8::1"), ports=[HTTP]))
    plan = mirror.plan(six, mirror.mirrored(six).groups, slices)
    assert [old for old, _, _ in plan.write] == [None] and plan.delete == slices, "an address type never changes"


def test_a_change_of_labels_alone_is_written() -> None:
    given = endpoints(Subset(addresses=addresses("10.0.0.1"), ports=[HTTP]))
    slices = written(given, mirror.plan(given, mirror.mirrored(given).groups, []), [])
    for meta in ({"labels": {"a": "b"}}, {"annotations": {"a": "b"}}):
        changed = endpoints(*given.subsets, **meta)
        assert len(mirror.plan(changed, mirror.mirrored(changed).groups, slices).write) == 1


SUBSETS = st.lists(
    st.builds(
        Subset,
        addresses=st.lists(st.sampled_from(addresses("10.0.0.1", "10.0.0.2", "2001:db8::1")), max_size=3),
        notReadyAddresses=st.lists(st.sampled_from(addresses("10.0.0.1", "10.0.0.3")), max_size=2),
        ports=st.lists(st.sampled_from([HTTP, DNS, EndpointPort(name="x", port=1)]), min_size=1, max_size=3),
    ),
    max_size=4,
)


@given(SUBSETS, SUBSETS)
def test_any_change_ends_in_slices_that_say_the_same(before: list[Subset], after: list[Subset]) -> None:
    slices: list[EndpointSlice] = []
    for subsets in (before, after):
        given = endpoints(*subsets)
        slices = written(given, mirror.plan(given, mirror.mirrored(given).groups, slices), slices)
    expected: dict[tuple[str, EndpointPort], bool] = {}
    for subset in after:
        for port in subset.ports:
            for listed, ready in ((subset.addresses, True), (subset.notReadyAddresses, False)):
                for address in listed:
                    expected[address.ip, port] = expected.get((address.ip, port), True) and ready
    assert said(slices) == {(ip, port, ready) for (ip, port), ready in expected.items()}
    assert len({(s.addressType, tuple(s.ports)) for s in slices}) == len(slices)
    again = mirror.plan(given, mirror.mirrored(given).groups, slices)
    assert not again.write and not again.delete, "what is as it should be is left alone"
