"""What a Deployment's status says, and when a rollout has made progress, finished, or run out of time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from longboat.api.workloads import Condition, ReplicaSet
from longboat.controllers.deployment.rolling import limits
from longboat.controllers.deployment.views import Deployment
from longboat.machinery.objects import parse_timestamp, timestamp

NO_DEADLINE = (1 << 31) - 1
AVAILABLE, PROGRESSING, FAILURE = "Available", "Progressing", "ReplicaFailure"
TIMED_OUT, NEW_AVAILABLE = "ProgressDeadlineExceeded", "NewReplicaSetAvailable"

Counts = dict[str, int]


def counts(deployment: Deployment, sets: Sequence[ReplicaSet], new: ReplicaSet | None) -> Counts:
    available = sum(each.status.availableReplicas for each in sets)
    total = sum(each.spec.replicas for each in sets)
    return {
        "observedGeneration": deployment.metadata.generation,
        "replicas": sum(each.status.replicas for each in sets),
        "updatedReplicas": new.status.replicas if new else 0,
        "readyReplicas": sum(each.status.readyReplicas for each in sets),
        "availableReplicas": available,
        "unavailableReplicas": max(total - available, 0),
        "terminatingReplicas": sum(each.status.terminatingReplicas or 0 for each in sets),
    }


def complete(deployment: Deployment, now: Counts) -> bool:
    wanted = deployment.spec.replicas
    return (
        now["updatedReplicas"] == wanted
        and now["replicas"] == wanted
        and now["availableReplicas"] == wanted
        and now["observedGeneration"] >= deployment.metadata.generation
    )


def progressed(deployment: Deployment, now: Counts) -> bool:
    """Whether anything has come forward since the status was last written."""
    before = deployment.status
    old_before = before.replicas - before.updatedReplicas
    old_now = now["replicas"] - now["updatedReplicas"]
    return (
        now["updatedReplicas"] > before.updatedReplicas
        or old_now < old_before
        or now["readyReplicas"] > before.readyReplicas
        or now["availableReplicas"] > before.availableReplicas
    )


def find(deployment: Deployment, kind: str) -> Condition | None:
    return next((c for c in deployment.status.conditions if c.type == kind), None)


def deadline(deployment: Deployment, now: Counts, moment: datetime) -> timedelta | None:
    """How long until a rollout that makes no progress is given up; None while none is under way."""
    progressing = find(deployment, PROGRESSING)
    if deployment.spec.progressDeadlineSeconds == NO_DEADLINE or progressing is None or complete(deployment, now):
        return None
    if progressing.reason in (NEW_AVAILABLE, TIMED_OUT) or deployment.spec.paused:
        return None
    since = progressing.lastUpdateTime or progressing.lastTransitionTime
    if since is None:
        return None
    return parse_timestamp(since) + timedelta(seconds=deployment.spec.progressDeadlineSeconds) - moment


def progressing(
    deployment: Deployment, new: ReplicaSet | None, now: Counts, moment: datetime
) -> tuple[str, str, str] | None:
    """Status, reason and message of the Progressing condition; None to leave it as it is."""
    if deployment.spec.progressDeadlineSeconds == NO_DEADLINE:
        return None
    name = f'ReplicaSet "{new.metadata.name}"' if new else f'Deployment "{deployment.metadata.name}"'
    current = find(deployment, PROGRESSING)
    settled = now["replicas"] == now["updatedReplicas"]
    if settled and current is not None and current.reason == NEW_AVAILABLE:
        return None  # no rollout is under way
    if complete(deployment, now):
        return "True", NEW_AVAILABLE, f"{name} has successfully progressed."
    if progressed(deployment, now):
        return "True", "ReplicaSetUpdated", f"{name} is progressing."
    wait = deadline(deployment, now, moment)
    if wait is not None and wait <= timedelta(0):
        return "False", TIMED_OUT, f"{name} has timed out progressing."
    return None


def available(deployment: Deployment, now: Counts) -> tuple[str, str, str]:
    _, unavailable = limits(deployment)
    if now["availableReplicas"] >= deployment.spec.replicas - unavailable:
        return "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
    return "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."


def conditions(
    deployment: Deployment, wanted: dict[str, tuple[str, str, str] | None], moment: datetime
) -> list[dict[str, Any]] | None:
    """The whole list with these conditions set (None removes one); None where it stays the same."""
    now = timestamp(moment)
    before = [c for c in deployment.status.conditions]
    out: list[dict[str, Any]] = []
    changed = False
    for condition in before:
        if condition.type not in wanted:
            out.append(_shown(condition))
            continue
        target = wanted[condition.type]
        if target is None:
            changed = True
            continue
        # As upstream: a condition is rewritten where its status or reason changes; a rollout's progress
        # also where it says the same again, for its time is what the deadline counts from.
        again = condition.type == PROGRESSING and target[1] == "ReplicaSetUpdated"
        if (condition.status, condition.reason) == target[:2] and not again:
            out.append(_shown(condition))
            continue
        changed = True
        since = condition.lastTransitionTime if condition.status == target[0] else now
        out.append(_made(condition.type, target, since, now))
    present = {condition.type for condition in before}
    for kind, target in wanted.items():
        if kind not in present and target is not None:
            changed = True
            out.append(_made(kind, target, now, now))
    return out if changed else None


def _made(kind: str, target: tuple[str, str, str], since: str | None, now: str) -> dict[str, Any]:
    status, reason, message = target
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since or now,
        "lastUpdateTime": now,
    }


def _shown(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": condition.lastTransitionTime,
        "lastUpdateTime": condition.lastUpdateTime,
    }
