"""What a ReplicaSet's status says of its pods. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from longboat.api.workloads import Pod, ReplicaSet, ReplicationController, available_in, is_available, is_ready
from longboat.machinery.objects import timestamp

FAILURE = "ReplicaFailure"


def new_status(
    owner: ReplicaSet, mine: Sequence[Pod], living: Sequence[Pod], failure: Exception | None, now: datetime
) -> dict[str, Any] | None:
    """The status to write, as a merge patch; None where it would change nothing."""
    labels = owner.spec.template.metadata.get("labels") or {}
    counts: dict[str, Any] = {
        "replicas": len(living),
        "fullyLabeledReplicas": sum(1 for pod in living if labels.items() <= pod.metadata.labels.items()),
        "readyReplicas": sum(1 for pod in living if is_ready(pod)),
        "availableReplicas": sum(1 for pod in living if is_available(pod, owner.spec.minReadySeconds, now)),
        "observedGeneration": owner.metadata.generation,
    }
    if not isinstance(owner, ReplicationController):  # whose API no longer grows
        counts["terminatingReplicas"] = sum(1 for pod in mine if pod.metadata.deletionTimestamp is not None)
    before = owner.status
    changed = {name: value for name, value in counts.items() if (getattr(before, name) or 0) != value}
    conditions = _conditions(owner, living, failure, now)
    if conditions is not None:
        changed["conditions"] = conditions
    if not changed:
        return None
    changed.setdefault("replicas", counts["replicas"])
    return changed


def _conditions(
    owner: ReplicaSet, living: Sequence[Pod], failure: Exception | None, now: datetime
) -> list[dict[str, Any]] | None:
    """The conditions, if they change. ReplicaFailure is the only one that is this controller's."""
    present = next((c for c in owner.status.conditions if c.type == FAILURE), None)
    others: list[dict[str, Any]] = [msgspec.to_builtins(c) for c in owner.status.conditions if c.type != FAILURE]
    if failure is None:
        return others if present is not None else None
    if present is not None:
        return None  # as it first was: causes that change would make it write without end
    reason = "FailedCreate" if len(living) < owner.spec.replicas else "FailedDelete"
    made = {"type": FAILURE, "status": "True", "reason": reason, "message": str(failure)}
    return [*others, made | {"lastTransitionTime": timestamp(now)}]


def next_available(living: Sequence[Pod], min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until another ready pod becomes available by mere waiting."""
    if not min_ready_seconds:
        return None
    waits = [wait.total_seconds() for pod in living if (wait := available_in(pod, min_ready_seconds, now))]
    return min((wait for wait in waits if wait > 0), default=None)
