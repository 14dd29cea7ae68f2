"""What a ReplicaSet's status says of its pods. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from longboat.api.workloads import Pod, ReplicaSet, available_in, is_available, is_ready
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import timestamp

FAILURE = "ReplicaFailure"


def new_status(
    owner: ReplicaSet, mine: Sequence[Pod], living: Sequence[Pod], failure: StatusError | None, now: datetime
) -> dict[str, Any] | None:
    """The status to write, as a merge patch; None where it would change nothing."""
    labels = owner.spec.template.metadata.get("labels") or {}
    counts: dict[str, Any] = {
        "replicas": len(living),
        "fullyLabeledReplicas": sum(1 for pod in living if labels.items() <= pod.metadata.labels.items()),
        "readyReplicas": sum(1 for pod in living if is_ready(pod)),
        "availableReplicas": sum(1 for pod in living if is_available(pod, owner.spec.minReadySeconds, now)),
        "terminatingReplicas": sum(1 for pod in mine if pod.metadata.deletionTimestamp is not None),
        "observedGeneration": owner.metadata.generation,
    }
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
    owner: ReplicaSet, living: Sequence[Pod], failure: StatusError | None, now: datetime
) -> list[dict[str, Any]] | None:
    """The conditions, if they change: ReplicaFailure is the only one this controller has."""
    present = next((c for c in owner.status.conditions if c.type == FAILURE), None)
    if failure is None:
        return [] if present is not None else None
    reason = "FailedCreate" if len(living) < owner.spec.replicas else "FailedDelete"
    if present is not None and (present.reason, present.message) == (reason, str(failure)):
        return None
    since = present.lastTransitionTime if present and present.status == "True" else timestamp(now)
    return [{"type": FAILURE, "status": "True", "reason": reason, "message": str(failure), "lastTransitionTime": since}]


def next_available(living: Sequence[Pod], min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until another ready pod becomes available by mere waiting."""
    if not min_ready_seconds:
        return None
    waits = [wait.total_seconds() for pod in living if (wait := available_in(pod, min_ready_seconds, now))]
    return min((wait for wait in waits if wait > 0), default=None)
