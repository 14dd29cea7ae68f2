"""The arithmetic of rolling updates: for every state they may be in, the bounds hold after the next step."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.api.workloads import ReplicaSet
from longboat.controllers.deployment import rolling
from longboat.controllers.deployment.views import Deployment

SIZES = st.one_of(st.integers(0, 6), st.integers(0, 100).map(lambda n: f"{n}%"))


def deployment(replicas: int, surge: Any = "25%", unavailable: Any = "25%", kind: str = "RollingUpdate") -> Deployment:
    strategy = {"type": kind, "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    return msgspec.convert({"spec": {"replicas": replicas, "strategy": strategy}}, Deployment)


def replica_set(
    name: str, replicas: int, available: int | None = None, created: str = "2026-01-01T00:00:00Z"
) -> ReplicaSet:
    return msgspec.convert(
        {
            "metadata": {"name": name, "creationTimestamp": created},
            "spec": {"replicas": replicas},
            "status": {"replicas": replicas, "availableReplicas": replicas if available is None else available},
        },
        ReplicaSet,
    )


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),
        (4, "25%", "25%", (1, 1)),
        (1, "25%", "25%", (1, 0)),
        (10, 0, 0, (0, 1)),
        (10, "100%", 0, (10, 0)),
        (2, 1, 5, (1, 2)),
    ],
)
def test_limits_round_surge_up_and_unavailable_down(
    replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]
) -> None:
    assert rolling.limits(deployment(replicas, surge, unavailable)) == expected


@given(st.integers(1, 20), SIZES, SIZES, st.data())
def test_any_rollout_keeps_its_bounds_and_ends(
    replicas: int, surge: Any, unavailable: Any, data: st.DataObject
) -> None:
    """Whatever order pods become ready and vanish in: never too many, never too few, and in the end all new."""
    wanted = deployment(replicas, surge, unavailable)
    most, missing = rolling.limits(wanted)
    old, new, new_available = replicas, 0, 0
    for _ in range(20 * replicas + 20):
        before = old, new
        grown = rolling.new_replicas(
            wanted,
            [replica_set("old", old), replica_set("new", new, new_available)],
            replica_set("new", new, new_available),
        )
        if grown != new:
            new = grown
        else:
            shrunk = rolling.old_replicas(wanted, [replica_set("old", old)], replica_set("new", new, new_available))
            old = shrunk.get("old", old)
        assert old + new <= replicas + most
        assert old + new_available >= replicas - missing
        if new_available < new and data.draw(st.booleans(), label="a new pod becomes ready"):
            new_available += 1
        elif new_available < new and (old, new) == before:
            new_available += 1  # nothing else moves: some day it is ready
        if (old, new, new_available) == (0, replicas, replicas):
            return
    raise AssertionError(f"stuck at {old} old, {new} new, {new_available} available")


@given(st.lists(st.integers(0, 12), min_size=2, max_size=4), st.integers(0, 40))
def test_proportional_scaling_hits_its_target(sizes: list[int], total: int) -> None:
    sets = [replica_set(f"rs{i}", size, created=f"2026-01-0{i + 1}T00:00:00Z") for i, size in enumerate(sizes) if size]
    if not sets:
        return
    changed = rolling.proportions(total, sets, sum(sizes))
    after = {each.metadata.name: changed.get(each.metadata.name, each.spec.replicas) for each in sets}
    assert all(size >= 0 for size in after.values())
    assert sum(after.values()) == total


def test_unhealthy_old_pods_go_first() -> None:
    wanted = deployment(4, 1, 1)
    sick, well = replica_set("sick", 2, 0, "2026-01-01T00:00:00Z"), replica_set("well", 2, 2, "2026-01-02T00:00:00Z")
    assert rolling.old_replicas(wanted, [sick, well], replica_set("new", 1, 1)) == {"sick": 0}
