"""Which pods a ReplicaSet gives up first (the order is that of the ReplicaSet documentation, KEP-2255 and KEP-2185)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from longboat.api.workloads import DELETION_COST, Pod
from longboat.controllers.replicaset.ranking import victims

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def pod(name: str, *, node: str = "n", phase: str = "Running", ready: str | None = "2026-01-01T00:00:00Z",
        created: str = "2026-01-01T00:00:00Z", restarts: int = 0, cost: str = "") -> Pod:  # fmt: skip
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": ready}] if ready else []
    meta: dict[str, Any] = {"name": name, "uid": name, "creationTimestamp": created}
    if cost:
        meta["annotations"] = {DELETION_COST: cost}
    status = {"phase": phase, "conditions": conditions, "containerStatuses": [{"restartCount": restarts}]}
    return msgspec.convert({"metadata": meta, "spec": {"nodeName": node}, "status": status}, Pod)


KEEP = pod("keep")


@pytest.mark.parametrize(
    "goes",
    [
        pod("goes", node=""),
        pod("goes", phase="Pending"),
        pod("goes", phase="Unknown"),
        pod("goes", ready=None),
        pod("goes", cost="-10"),
        pod("goes", ready="2026-01-01T23:00:00Z"),
        pod("goes", restarts=3),
        pod("goes", created="2026-01-01T23:59:00Z"),
    ],
)
def test_the_less_a_pod_is_worth_the_sooner_it_goes(goes: Pod) -> None:
    assert victims([KEEP, goes], 1, [KEEP, goes], NOW) == [goes]


def test_crowded_nodes_give_first() -> None:
    crowd, alone = [pod("a", node="x"), pod("b", node="x")], pod("c", node="y")
    (gone,) = victims([alone, *crowd], 1, [alone, *crowd], NOW)
    assert gone in crowd


def test_a_higher_cost_protects() -> None:
    dear, cheap = pod("dear", cost="100"), pod("cheap", cost="bad")
    assert victims([dear, cheap], 1, [], NOW) == [cheap]
