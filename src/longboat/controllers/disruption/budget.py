"""What a PodDisruptionBudget comes to with the pods there are. Pure.

A pod that was allowed to go counts as gone before it is: for two minutes, in which its deletion should have been seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from longboat.api.workloads import Pod, is_ready
from longboat.controllers.disruption.views import Budget
from longboat.controllers.shares import share
from longboat.machinery.objects import parse_timestamp, timestamp

PATIENCE = timedelta(minutes=2)  # for a deletion that was allowed
ALLOWED = "DisruptionAllowed"


@dataclass(frozen=True)
class Expected:
    """How many pods there should be, and how many of them healthy."""

    pods: int
    healthy: int


def needs_scale(budget: Budget) -> bool:
    """Whether it depends on how many pods their controllers want."""
    return budget.spec.maxUnavailable is not None or isinstance(budget.spec.minAvailable, str)


def expected(budget: Budget, count: int, scale: int) -> Expected:
    """`count`: pods there are; `scale`: pods that their controllers want in all."""
    spec = budget.spec
    if spec.maxUnavailable is not None:
        return Expected(scale, max(0, scale - share(spec.maxUnavailable, scale, up=True)))
    if isinstance(spec.minAvailable, int):
        return Expected(count, spec.minAvailable)
    if spec.minAvailable is not None:
        return Expected(scale, share(spec.minAvailable, scale, up=True))
    return Expected(0, 0)


@dataclass(frozen=True)
class Leaving:
    """Pods that were allowed to go and are still there: with their time, and those whose time is over."""

    going: dict[str, str]
    stuck: tuple[Pod, ...]
    recheck: datetime | None


def leaving(budget: Budget, pods: Iterable[Pod], now: datetime) -> Leaving:
    going, stuck = dict[str, str](), list[Pod]()
    for pod in pods:
        since = budget.status.disruptedPods.get(pod.metadata.name)
        if since is None or pod.metadata.deletionTimestamp is not None:
            continue
        if parse_timestamp(since) + PATIENCE <= now:
            stuck.append(pod)
        else:
            going[pod.metadata.name] = since
    recheck = min((parse_timestamp(since) + PATIENCE for since in going.values()), default=None)
    return Leaving(going, tuple(stuck), recheck)


def new_status(
    budget: Budget, pods: Sequence[Pod], wanted: Expected, going: dict[str, str], now: datetime
) -> dict[str, Any] | None:
    """The status to write, as a merge patch; None where it would change nothing."""
    healthy = sum(
        1 for pod in pods if pod.metadata.deletionTimestamp is None and pod.metadata.name not in going and is_ready(pod)
    )
    allowed = max(0, healthy - wanted.healthy) if wanted.pods > 0 else 0
    counts: dict[str, Any] = {
        "currentHealthy": healthy,
        "desiredHealthy": wanted.healthy,
        "expectedPods": wanted.pods,
        "disruptionsAllowed": allowed,
        "observedGeneration": budget.metadata.generation,
    }
    conditions = with_condition(budget, "SufficientPods" if allowed else "InsufficientPods", "", now)
    before = budget.status
    same = going == before.disruptedPods and all(getattr(before, name) == value for name, value in counts.items())
    if conditions is None and same:
        return None
    status = counts | {"disruptedPods": dict.fromkeys(before.disruptedPods) | going}
    return status if conditions is None else status | {"conditions": conditions}


def failed(budget: Budget, why: str, now: datetime) -> dict[str, Any] | None:
    """The status of a budget that cannot be reckoned: nothing may go."""
    conditions = with_condition(budget, "SyncFailed", why, now)
    if conditions is None and not budget.status.disruptionsAllowed:
        return None
    allowed = {"disruptionsAllowed": 0, "observedGeneration": budget.metadata.generation}
    return allowed if conditions is None else allowed | {"conditions": conditions}


def with_condition(budget: Budget, reason: str, message: str, now: datetime) -> list[dict[str, Any]] | None:
    """The conditions with the one that says whether a pod may go; None if they are so already."""
    status = "True" if reason == "SufficientPods" else "False"
    present = next((c for c in budget.status.conditions if c.type == ALLOWED), None)
    generation = budget.metadata.generation
    if present is not None:
        told = (present.status, present.reason, present.message)
        if told == (status, reason, message) and budget.status.observedGeneration == generation:
            return None
    kept = present is not None and present.status == status
    since = present.lastTransitionTime if present is not None and kept else timestamp(now)
    made: dict[str, Any] = {"type": ALLOWED, "status": status, "reason": reason, "message": message}
    made |= {"observedGeneration": generation, "lastTransitionTime": since}
    others: list[dict[str, Any]] = [msgspec.to_builtins(c) for c in budget.status.conditions if c.type != ALLOWED]
    return [*others, made]
