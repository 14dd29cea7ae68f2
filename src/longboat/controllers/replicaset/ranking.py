"""Which pods go first when there are too many. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from longboat.api.workloads import DELETION_COST, Pod, is_ready, ready_since
from longboat.machinery.objects import parse_timestamp

P = TypeVar("P", bound=Pod)

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def victims(pods: Sequence[P], count: int, related: Iterable[Pod], now: datetime) -> list[P]:
    """The `count` pods to delete: those whose loss matters least.

    In this order: without a node, pending, not ready, cheap to delete, on a node with many `related` pods (all those of
    the same owner's owner), ready for a short time, restarted often, young. Times are compared on a logarithmic scale.
    """
    if count >= len(pods):
        return list(pods)
    crowd = Counter(pod.spec.nodeName for pod in related if pod.spec.nodeName)

    def rank(pod: P) -> tuple[object, ...]:
        restarts = max((c.restartCount for c in pod.status.containerStatuses), default=0)
        return (
            bool(pod.spec.nodeName),
            _PHASES.get(pod.status.phase, 0),
            is_ready(pod),
            _cost(pod),
            -crowd[pod.spec.nodeName] if pod.spec.nodeName else 0,
            _age(ready_since(pod), now),
            -restarts,
            _age(_created(pod), now),
            pod.metadata.uid,
        )

    return sorted(pods, key=rank)[:count]


def _cost(pod: Pod) -> int:
    try:
        return int(pod.metadata.annotations.get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _created(pod: Pod) -> datetime | None:
    return parse_timestamp(pod.metadata.creationTimestamp) if pod.metadata.creationTimestamp else None


def _age(moment: datetime | None, now: datetime) -> int:
    """The order of magnitude of how long ago; what has not happened is youngest (KEP-2185)."""
    if moment is None:
        return -1
    return int(math.log2(max((now - moment).total_seconds(), 0) + 1))
