"""What a Job's status says after a look at it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from longboat.api.workloads import is_ready
from longboat.controllers.job.accounting import Ledger, Tally, is_active, is_terminating
from longboat.controllers.job.plan import Verdict, decided
from longboat.controllers.job.views import Job, JobCondition, JobPod
from longboat.machinery.objects import timestamp

Event = tuple[str, str, str]  # type, reason, message


@dataclass(frozen=True)
class Moves:
    """What was set in motion and the copy of the pods does not show yet. `known`: it shows all that went before."""

    known: bool = False
    started: int = 0
    stopped: Sequence[JobPod] = ()


@dataclass
class Report:
    """The status to write, or None where the old one still holds; and what is to be said of it once it is written."""

    status: dict[str, Any] | None
    events: list[Event] = field(default_factory=list)


def report(
    job: Job, sums: Tally, ledger: Ledger, pods: Sequence[JobPod], moves: Moves, ends: Verdict | None, now: datetime
) -> Report:
    conditions = _Conditions(job, timestamp(now))
    events: list[Event] = []
    start = job.status.startTime
    if start is None and not job.spec.suspend:
        start = conditions.now
    if moves.known and ends is None and job.metadata.deletionTimestamp is None:
        events = conditions.suspension(job.spec.suspend)
        if events:
            start = None if job.spec.suspend else conditions.now
    status: dict[str, Any] = {
        **_counts(job, pods, moves),
        "succeeded": ledger.succeeded or None,
        "failed": ledger.failed or None,
        "completedIndexes": str(sums.completed) or None,
        "failedIndexes": None if sums.failed_indexes is None else str(sums.failed_indexes),
        "uncountedTerminatedPods": {
            "succeeded": list(ledger.uncounted_succeeded) or None, "failed": list(ledger.uncounted_failed) or None,
        },
        "startTime": start,
        "completionTime": job.status.completionTime,
    }  # fmt: skip
    if ends is not None:
        conditions.set(ends.announced_as, "True", ends.reason, ends.message)
        gone = not status["active"] and not status["terminating"]
        if decided(job) is not None and ledger.settled and gone:
            events = _end(job, conditions, status, ends)
    shown = [msgspec.to_builtins(condition) for condition in conditions.listed]
    if status == _written(job) and conditions.listed == job.status.conditions:
        return Report(None)
    return Report({**status, "conditions": shown}, events)


def _end(job: Job, conditions: _Conditions, status: dict[str, Any], ends: Verdict) -> list[Event]:
    conditions.set(ends.type, "True", ends.reason, ends.message)
    if job.spec.completions != 0:  # one of which nothing was wanted may end before it starts
        status["startTime"] = status["startTime"] or conditions.now
    if ends.type == "Failed":
        return [("Warning", ends.reason, ends.message)]
    status["completionTime"] = conditions.now
    events: list[Event] = [("Normal", "Completed", "Job completed")]
    if job.spec.completions is not None and (status["succeeded"] or 0) > job.spec.completions:
        why = "Too many succeeded pods running after completion count reached"
        events.insert(0, ("Warning", "TooManySucceededPods", why))
    return events


def _counts(job: Job, pods: Sequence[JobPod], moves: Moves) -> dict[str, Any]:
    if not moves.known:
        return {"active": job.status.active or None, "ready": job.status.ready, "terminating": job.status.terminating}
    stopped = {pod.metadata.uid for pod in moves.stopped}
    active = [pod for pod in pods if is_active(pod) and pod.metadata.uid not in stopped]
    return {
        "active": len(active) + moves.started or None,
        "ready": sum(map(is_ready, active)),
        "terminating": sum(map(is_terminating, pods)) + len(stopped),
    }


def _written(job: Job) -> dict[str, Any]:
    """The status as it was read, in the shape in which it is written."""
    status, uncounted = job.status, job.status.uncountedTerminatedPods
    lists = uncounted and {"succeeded": uncounted.succeeded or None, "failed": uncounted.failed or None}
    return {
        "active": status.active or None, "ready": status.ready, "terminating": status.terminating,
        "succeeded": status.succeeded or None, "failed": status.failed or None,
        "completedIndexes": status.completedIndexes or None, "failedIndexes": status.failedIndexes,
        "uncountedTerminatedPods": lists, "startTime": status.startTime, "completionTime": status.completionTime,
    }  # fmt: skip


class _Conditions:
    """A Job's conditions, each changed only when it says something new."""

    def __init__(self, job: Job, now: str) -> None:
        self.now = now
        self._found = {condition.type: condition for condition in job.status.conditions}

    @property
    def listed(self) -> list[JobCondition]:
        return list(self._found.values())

    def set(self, kind: str, status: str, reason: str, message: str) -> bool:
        """Whether it was news. That something does not hold which never has is none."""
        had = self._found.get(kind)
        said = (had.status, had.reason, had.message) if had is not None else ("False", "", "")
        if said == (status, reason, message) or (had is None and status == "False"):
            return False
        self._found[kind] = JobCondition(
            type=kind, status=status, reason=reason, message=message, lastTransitionTime=self.now,
            lastProbeTime=self.now,
        )  # fmt: skip
        return True

    def suspension(self, wanted: bool) -> list[Event]:
        """Say whether the Job is suspended."""
        if wanted:
            news = self.set("Suspended", "True", "JobSuspended", "Job suspended")
            return [("Normal", "Suspended", "Job suspended")] if news else []
        news = self.set("Suspended", "False", "JobResumed", "Job resumed")
        return [("Normal", "Resumed", "Job resumed")] if news else []
