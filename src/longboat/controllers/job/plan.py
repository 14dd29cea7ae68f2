"""What a Job does next: whether it has ended, and which pods to start or stop. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from longboat.controllers.job.accounting import Ledger
from longboat.controllers.job.views import Job, JobPod
from longboat.machinery.objects import parse_timestamp

BACKOFF, LONGEST_BACKOFF = 10.0, 600.0  # seconds before a failed pod is replaced, doubling


@dataclass(frozen=True)
class Verdict:
    """How a Job ends: condition type, reason and message."""

    type: str
    reason: str
    message: str


@dataclass
class Plan:
    """`create`: one entry for each pod, its index or None. `wait`: seconds until there is more to do."""

    create: list[int | None] = field(default_factory=list)
    delete: list[JobPod] = field(default_factory=list)
    wait: float | None = None


def is_active(pod: JobPod) -> bool:
    return pod.status.phase not in ("Succeeded", "Failed") and pod.metadata.deletionTimestamp is None


def is_terminating(pod: JobPod) -> bool:
    return pod.status.phase not in ("Succeeded", "Failed") and pod.metadata.deletionTimestamp is not None


def verdict(job: Job, ledger: Ledger, pods: Sequence[JobPod], now: datetime) -> Verdict | None:
    """Whether the Job has reached its end."""
    restarts = sum(c.restartCount for pod in pods for c in pod.status.containerStatuses if is_active(pod))
    limit = job.spec.backoffLimit
    if ledger.all_failed > limit or (limit and restarts > limit and _restarts(job)):
        return Verdict("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if (left := deadline(job, now)) is not None and left <= 0:
        return Verdict("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    reached = Verdict("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
    if job.spec.completions is None:
        return reached if ledger.all_succeeded and not any(map(is_active, pods)) else None
    return reached if ledger.all_succeeded >= job.spec.completions else None


def _restarts(job: Job) -> bool:
    return bool(msgspec.json.decode(job.spec.template.spec).get("restartPolicy") == "OnFailure")


def deadline(job: Job, now: datetime) -> float | None:
    """Seconds that are left; None where there is no limit."""
    if job.spec.activeDeadlineSeconds is None or job.status.startTime is None or job.spec.suspend:
        return None
    ends = parse_timestamp(job.status.startTime) + timedelta(seconds=job.spec.activeDeadlineSeconds)
    return (ends - now).total_seconds()


def plan(job: Job, ledger: Ledger, pods: Sequence[JobPod], failures: int, since_failure: float) -> Plan:
    """Pods to start and stop while the Job goes on. `failures` in a row, the last `since_failure` seconds ago."""
    active = [pod for pod in pods if is_active(pod)]
    if job.spec.suspend:
        return Plan(delete=active)
    terminating = [
        pod for pod in pods if pod.metadata.deletionTimestamp and pod.status.phase not in ("Succeeded", "Failed")
    ]
    taken = len(active) + (len(terminating) if job.spec.podReplacementPolicy == "Failed" else 0)
    wanted = job.spec.parallelism
    if job.spec.completions is None:
        wanted = len(active) if ledger.all_succeeded else wanted
    else:
        wanted = min(wanted, job.spec.completions - ledger.all_succeeded)
    made = Plan()
    surplus = active
    if job.indexed:
        seen: set[int | None] = set()
        surplus = []
        for pod in sorted(active, key=lambda p: p.metadata.creationTimestamp or ""):
            done = pod.index is None or pod.index in ledger.completed or pod.index >= (job.spec.completions or 0)
            if done or pod.index in seen:
                made.delete.append(pod)
                taken -= 1
            else:
                surplus.append(pod)
            seen.add(pod.index)
    if taken > wanted:
        ranked = sorted(surplus, key=lambda p: (p.status.phase == "Running", p.metadata.creationTimestamp or ""))
        made.delete += ranked[: taken - wanted]
        return made
    missing = wanted - taken
    if missing and failures:
        wait = min(BACKOFF * 2 ** (failures - 1), LONGEST_BACKOFF) - since_failure
        if wait > 0:
            made.wait = wait
            return made
    made.create = _indexes(job, ledger, pods, missing) if job.indexed else [None] * missing
    return made


def _indexes(job: Job, ledger: Ledger, pods: Sequence[JobPod], count: int) -> list[int | None]:
    """The lowest that are neither done nor at work."""
    busy = {pod.index for pod in pods if is_active(pod)}
    free = (i for i in range(job.spec.completions or 0) if i not in ledger.completed and i not in busy)
    return [index for index, _ in zip(free, range(count), strict=False)]
