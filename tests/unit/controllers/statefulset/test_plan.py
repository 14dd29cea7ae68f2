"""The order of a StatefulSet's pods, whatever happens to them: laws that hold for every history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.api.workloads import Pod
from longboat.controllers.history import REVISION_LABEL
from longboat.controllers.statefulset.plan import plan
from longboat.controllers.statefulset.views import StatefulSet

NOW = datetime(2026, 11, 23, tzinfo=UTC)
states = st.sampled_from(("ready", "starting", "going", "failed"))
revisions = st.sampled_from(("old", "new"))
places = st.dictionaries(st.integers(0, 6), st.tuples(states, revisions), max_size=6)


def owner(replicas: int, policy: str = "OrderedReady", partition: int = 0) -> StatefulSet:
    spec: dict[str, Any] = {
        "replicas": replicas, "podManagementPolicy": policy,
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}},
    }  # fmt: skip
    return msgspec.convert({"metadata": {"name": "db"}, "spec": spec}, StatefulSet)


def pod(ordinal: int, state: str, revision: str) -> Pod:
    meta: dict[str, Any] = {"name": f"db-{ordinal}", "labels": {REVISION_LABEL: revision}}
    if state == "going":
        meta["deletionTimestamp"] = "2026-11-23T00:00:00Z"
    phase = {"failed": "Failed", "starting": "Pending"}.get(state, "Running")
    ready = {"type": "Ready", "status": str(state in ("ready", "going"))}
    return msgspec.convert({"metadata": meta, "status": {"phase": phase, "conditions": [ready]}}, Pod)


@given(places, st.integers(0, 5), st.integers(0, 5))
def test_in_order_one_thing_happens_at_a_time(found: dict[int, tuple[str, str]], replicas: int, partition: int) -> None:
    pods = [pod(ordinal, *state) for ordinal, state in found.items()]
    todo = plan(owner(replicas, partition=partition), pods, "old", "new", NOW)
    touched = [*todo.create, *todo.replace, *todo.condemned, *todo.update]
    assert len(touched) <= 1
    for ordinal, revision in todo.create:
        assert all(found.get(lower, ("",))[0] == "ready" for lower in range(ordinal))  # nobody is skipped
        assert revision == ("old" if ordinal < partition else "new")
    for gone in todo.condemned:
        ordinal = int(gone.metadata.name.removeprefix("db-"))
        assert ordinal >= replicas
        assert all(found[lower][0] == "ready" for lower in range(replicas))
        assert not any(state[0] == "going" for higher, state in found.items() if higher > ordinal)
    for changed in todo.update:
        ordinal = int(changed.metadata.name.removeprefix("db-"))
        assert partition <= ordinal < replicas
        others = [found[place] for place in range(replicas) if place != ordinal]
        assert all(state == "ready" for state, _ in others)  # never two down at once
        assert all(found[higher][1] == "new" for higher in range(ordinal + 1, replicas))


@pytest.mark.parametrize(
    ("states", "gone"),
    [
        (("ready", "ready", "ready"), "db-2"),
        (("ready", "ready", "starting"), "db-2"),  # nobody is helped by waiting
        (("starting", "ready", "starting"), None),
        (("starting", "starting", "ready"), "db-2"),
        (("starting", "starting", "failed"), "db-2"),  # it would be waited for in vain
        (("ready", "ready", "going"), None),
    ],
)
def test_who_is_not_well_is_waited_for_before_it_goes(states: tuple[str, ...], gone: str | None) -> None:
    pods = [pod(ordinal, state, "new") for ordinal, state in enumerate(states)]
    todo = plan(owner(0), pods, "new", "new", NOW)
    assert [each.metadata.name for each in todo.condemned] == ([gone] if gone else [])


@given(places, st.integers(0, 5))
def test_parallel_sets_make_and_take_away_all_at_once(found: dict[int, tuple[str, str]], replicas: int) -> None:
    pods = [pod(ordinal, *state) for ordinal, state in found.items()]
    todo = plan(owner(replicas, "Parallel"), pods, "old", "new", NOW)
    assert {ordinal for ordinal, _ in todo.create} == set(range(replicas)) - set(found)
    assert len(todo.update) <= 1


@given(places, st.integers(0, 5))
def test_it_comes_to_rest_with_every_pod_in_its_place(found: dict[int, tuple[str, str]], replicas: int) -> None:
    """If pods become ready and deleted ones go, the plan reaches what was asked for, and then does nothing."""
    world = dict(found)
    for _ in range(60):
        todo = plan(owner(replicas), [pod(o, *s) for o, s in world.items()], "old", "new", NOW)
        for each in (*todo.replace, *todo.condemned, *todo.update):
            del world[int(each.metadata.name.removeprefix("db-"))]
        for ordinal, revision in todo.create:
            world[ordinal] = ("starting", revision)
        world = {o: ("ready" if s == "starting" else s, r) for o, (s, r) in world.items() if s != "going"}
    assert world == {ordinal: ("ready", "new") for ordinal in range(replicas)}
