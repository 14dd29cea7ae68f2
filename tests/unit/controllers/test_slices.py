"""EndpointSlices: they hold just what they should, and as few of them as possible are touched."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from longboat.api.view import Meta
from longboat.controllers.endpoints.slices import MOST, Ports, reconcile
from longboat.controllers.endpoints.views import Endpoint, EndpointPort, EndpointSlice, Target

HTTP: Ports = (EndpointPort(name="http", port=80),)
OTHER: Ports = (EndpointPort(name="http", port=81),)
IDS = st.sets(st.integers(0, 400), max_size=350)


def endpoint(number: int) -> Endpoint:
    address = f"10.0.{number // 250}.{number % 250}"
    return Endpoint(addresses=[address], targetRef=Target(kind="Pod", name=f"p{number}", uid=str(number)))


def slices_of(numbers: list[int], ports: Ports = HTTP) -> list[EndpointSlice]:
    chunks = [numbers[i : i + MOST] for i in range(0, len(numbers), MOST)]
    return [
        EndpointSlice(metadata=Meta(name=f"s{i}"), endpoints=[endpoint(n) for n in chunk], ports=list(ports))
        for i, chunk in enumerate(chunks)
    ]


def applied(existing: list[EndpointSlice], changes: object) -> list[list[Endpoint]]:
    from longboat.controllers.endpoints.slices import Changes

    assert isinstance(changes, Changes)
    gone = {s.metadata.name for s in changes.delete}
    after = {s.metadata.name: s.endpoints for s in existing if s.metadata.name not in gone}
    after.update((s.metadata.name, endpoints) for s, endpoints in changes.update)
    return [*after.values(), *(endpoints for _, endpoints in changes.create)]


@given(IDS, IDS)
def test_afterwards_every_endpoint_stands_in_one_slice(before: set[int], after: set[int]) -> None:
    existing = slices_of(sorted(before))
    changes = reconcile({HTTP: [endpoint(n) for n in sorted(after)]}, existing)
    found = applied(existing, changes)
    assert all(len(endpoints) <= MOST for endpoints in found)
    assert sorted(int(e.targetRef.uid) for endpoints in found for e in endpoints if e.targetRef) == sorted(after)


@given(IDS)
def test_nothing_is_written_where_nothing_has_changed(numbers: set[int]) -> None:
    existing = slices_of(sorted(numbers)) or [EndpointSlice(metadata=Meta(name="empty"), ports=list(HTTP))]
    changes = reconcile({HTTP: [endpoint(n) for n in sorted(numbers)]}, existing)
    assert not (changes.create or changes.update or changes.delete)


def test_one_change_touches_one_slice() -> None:
    existing = slices_of(list(range(250)))
    changes = reconcile({HTTP: [endpoint(n) for n in range(250) if n != 120]}, existing)
    assert [s.metadata.name for s, _ in changes.update] == ["s1"] and not changes.create and not changes.delete


def test_other_ports_mean_other_slices() -> None:
    changes = reconcile({OTHER: [endpoint(1)]}, slices_of([1]))
    assert [ports for ports, _ in changes.create] == [OTHER] and [s.metadata.name for s in changes.delete] == ["s0"]


def test_a_service_without_pods_still_has_a_slice() -> None:
    assert reconcile({(): []}, []).create == [((), [])]
