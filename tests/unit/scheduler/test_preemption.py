"""Who must go so that a more important pod fits, and who must not."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.scheduler import catalog, preemption
from longboat.scheduler.cycle import Cycle, NoFit
from longboat.scheduler.info import PodInfo
from longboat.scheduler.snapshot import Snapshot
from longboat.scheduler.views import PodDisruptionBudget
from unit.scheduler.build import cluster, node, pod

VIP = 1000


def plan(info: PodInfo, snapshot: Snapshot, budgets: Any = ()) -> preemption.Preemption | None:
    cycle = Cycle(catalog.plugins(), random.Random(1))
    refused = cycle.decide(info, snapshot)
    assert isinstance(refused, NoFit)
    return preemption.plan(info, snapshot, cycle, refused.hopeful, budgets)


def names(room: preemption.Preemption | None) -> set[str]:
    assert room is not None
    return {v.pod.metadata.name for v in room.victims}


def test_only_lower_priorities_go_and_no_more_than_needed() -> None:
    snapshot = cluster(node("a", cpu="4"))
    for name, cpu, priority in (("small", "1", 1), ("big", "2", 2), ("peer", "1", VIP)):
        snapshot.place(pod(name, cpu=cpu, priority=priority), "a")
    assert names(plan(pod(cpu="1", priority=VIP), snapshot)) == {"small"}
    assert names(plan(pod(cpu="2", priority=VIP), snapshot)) == {"big"}
    assert plan(pod(cpu="4", priority=VIP), snapshot) is None


def test_the_node_with_the_least_important_victims_is_chosen() -> None:
    snapshot = cluster(node("a", cpu="1"), node("b", cpu="1"))
    snapshot.place(pod("dear", cpu="1", priority=500), "a")
    snapshot.place(pod("cheap", cpu="1", priority=5), "b")
    assert names(plan(pod(cpu="1", priority=VIP), snapshot)) == {"cheap"}


def test_disruption_budgets_are_spared_where_another_way_exists() -> None:
    snapshot = cluster(node("a", cpu="1"), node("b", cpu="1"))
    snapshot.place(pod("guarded", cpu="1", priority=1, labels={"app": "db"}), "a")
    snapshot.place(pod("free", cpu="1", priority=9), "b")
    budget = msgspec.convert(
        {"metadata": {"namespace": "default"}, "spec": {"selector": {"matchLabels": {"app": "db"}}}},
        PodDisruptionBudget,
    )
    assert names(plan(pod(cpu="1", priority=VIP), snapshot, [budget])) == {"free"}


@pytest.mark.parametrize(
    ("selector", "disrupted", "spared"),
    [
        ({"matchLabels": {"app": "db"}}, {}, True),
        ({}, {}, False),
        ({"matchLabels": {"app": "db"}}, {"a": "now"}, False),
    ],
)
def test_budgets_count_as_upstreams_scheduler_takes_them(selector: Any, disrupted: Any, spared: bool) -> None:
    """One that selects everything guards nothing; a pod that was evicted already costs nothing more."""
    snapshot = cluster(node("n", cpu="1"), node("m", cpu="1"))
    snapshot.place(pod("a", cpu="1", priority=1, labels={"app": "db"}), "n")
    snapshot.place(pod("b", cpu="1", priority=9), "m")
    status = {"disruptedPods": disrupted}
    budget = {"metadata": {"namespace": "default"}, "spec": {"selector": selector}, "status": status}
    found = plan(pod(cpu="1", priority=VIP), snapshot, [msgspec.convert(budget, PodDisruptionBudget)])
    assert names(found) == ({"b"} if spared else {"a"})


def test_one_more_victim_is_never_less_harm_whatever_its_priority() -> None:
    snapshot = cluster(node("n", cpu="1"), node("m", cpu="1"))
    snapshot.place(pod("one", cpu="1", priority=5), "n")
    for name, priority in (("two", 5), ("three", -10)):
        snapshot.place(pod(name, cpu="500m", priority=priority), "m")
    assert names(plan(pod(cpu="1", priority=VIP), snapshot)) == {"one"}


def test_of_equals_those_go_that_have_run_the_shortest_or_not_at_all() -> None:
    snapshot = cluster(node("n", cpu="1"), node("m", cpu="1"))
    snapshot.place(pod("runs", cpu="1", priority=1, status={"startTime": "2026-01-01T00:00:00Z"}), "n")
    snapshot.place(pod("begins", cpu="1", priority=1), "m")
    assert names(plan(pod(cpu="1", priority=VIP), snapshot)) == {"begins"}


def test_it_waits_for_what_was_preempted_alone() -> None:
    told = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    for condition, waits in ((told, True), ({**told, "reason": "EvictionByEvictionAPI"}, False), ({}, False)):
        snapshot = cluster(node("n", cpu="1"))
        status = {"conditions": [condition] if condition else []}
        snapshot.place(pod("old", cpu="1", priority=1, going=True, status=status), "n")
        incoming = pod(cpu="1", priority=VIP)
        snapshot.nominator.nominate(incoming, "n")
        assert bool(preemption.allowed(incoming, snapshot, ["n"])) is waits
        assert not preemption.allowed(incoming, snapshot, []), "it will never do: it may look elsewhere"


def test_what_no_pods_leaving_can_cure_evicts_nobody() -> None:
    snapshot = cluster(node("a", cpu="1"))
    snapshot.place(pod(cpu="1"), "a")
    assert plan(pod(cpu="2", priority=VIP), snapshot) is None
    assert plan(pod(cpu="1", priority=VIP, nodeSelector={"x": "y"}), snapshot) is None


def test_the_message_tells_hope_from_none() -> None:
    refused = NoFit(nodes=3)
    assert preemption.nothing_found(refused, ["a"]) == (
        "0/3 nodes are available: 1 No preemption victims found for incoming pod, "
        "2 Preemption is not helpful for scheduling."
    )


def test_a_pod_is_told_of_all_that_was_tried_unless_room_is_made() -> None:
    refused = NoFit(nodes=1, reasons=Counter({"Insufficient cpu": 1}))
    assert preemption.message(refused, "") == "0/1 nodes are available: 1 Insufficient cpu."
    assert preemption.message(refused, "not eligible due to preemptionPolicy=Never.") == (
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, "
        "preemption: not eligible due to preemptionPolicy=Never."
    )
    refused = NoFit(nodes=1, overall='persistentvolumeclaim "x" not found')
    assert preemption.message(refused, "") == (
        '0/1 nodes are available: persistentvolumeclaim "x" not found. not found'
    )
    assert preemption.message(NoFit(nodes=0), "") == "no nodes available to schedule pods"


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 5)), max_size=8), st.integers(1, 40), st.integers(0, 5))
def test_planning_changes_nothing_and_its_victims_are_enough(
    placed: list[tuple[int, int]], asked: int, priority: int
) -> None:
    snapshot = cluster(node("a", cpu="4"))
    for tenths, importance in placed:
        info = pod(cpu=f"{tenths}00m", priority=importance)
        found = snapshot.node("a")
        assert found is not None
        if found.requested.get("cpu", 0) + tenths * 100 <= 4000:
            snapshot.place(info, "a")
    node_info = snapshot.node("a")
    assert node_info is not None
    before = dict(node_info.requested), set(node_info.pods)
    incoming = pod(cpu=f"{asked}00m", priority=priority)
    cycle = Cycle(catalog.plugins(), random.Random(1))
    room = preemption.plan(incoming, snapshot, cycle, ["a"])
    assert (dict(node_info.requested), set(node_info.pods)) == before
    if room:
        assert all(v.pod.spec.priority < priority for v in room.victims)
        freed = sum(v.requests["cpu"] for v in room.victims)
        assert node_info.requested.get("cpu", 0) - freed + asked * 100 <= 4000
