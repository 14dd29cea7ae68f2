"""What a Job does next: whether it has ended, and which pods to start or stop. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

import msgspec

from longboat.controllers.job import backoff
from longboat.controllers.job.accounting import Tally, has_failed, is_active, is_terminating
from longboat.controllers.job.backoff import Record, finished_at
from longboat.controllers.job.indexes import Indexes
from longboat.controllers.job.policies import judge, success
from longboat.controllers.job.views import Job, JobPod
from longboat.controllers.replicaset.ranking import victims
from longboat.machinery.objects import parse_timestamp

MOST_AT_ONCE = 500  # pods made or deleted in one go (upstream's MaxPodCreateDeletePerSync)


@dataclass(frozen=True)
class Verdict:
    """How a Job ends: condition type, reason and message."""

    type: str
    reason: str
    message: str

    @property
    def announced_as(self) -> str:
        """The condition that says so while pods are still being counted or on their way out."""
        return "SuccessCriteriaMet" if self.type == "Complete" else "FailureTarget"


@dataclass
class Plan:
    """`create`: one entry for each pod, its index or None. `wait`: seconds until there is more to do."""

    create: list[int | None] = field(default_factory=list)
    delete: list[JobPod] = field(default_factory=list)
    wait: float | None = None


def decided(job: Job) -> Verdict | None:
    """The end that has been announced already, and stays."""
    if (met := job.condition("SuccessCriteriaMet")) is not None:
        return Verdict("Complete", met.reason, met.message)
    if (target := job.condition("FailureTarget")) is not None:
        return Verdict("Failed", target.reason, target.message)
    return None


def verdict(job: Job, sums: Tally, pods: Sequence[JobPod], now: datetime) -> Verdict | None:
    """Whether a policy or a limit ends the Job, whatever its pods are doing."""
    for pod in pods:
        if has_failed(job, pod) and (found := judge(job, pod)).action == "FailJob":
            return Verdict("Failed", "PodFailurePolicy", found.message)
    if sums.failed > job.spec.backoffLimit or _restarted_too_often(job, pods):
        return Verdict("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if (left := deadline(job, now)) is not None and left <= 0:
        return Verdict("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    if lost := sums.failed_indexes:
        if job.spec.maxFailedIndexes is not None and lost.total > job.spec.maxFailedIndexes:
            why = "Job has exceeded the specified maximal number of failed indexes"
            return Verdict("Failed", "MaxFailedIndexesExceeded", why)
        if lost.total + sums.completed.total >= job.size:
            return Verdict("Failed", "FailedIndexes", "Job has failed indexes")
    rule = success(job, sums.completed)
    return Verdict("Complete", "SuccessPolicy", rule) if rule else None


def completion(job: Job, sums: Tally, active: int) -> Verdict | None:
    """Whether enough pods have succeeded, and none is at work any more."""
    enough = sums.succeeded > 0 if job.spec.completions is None else sums.succeeded >= job.spec.completions
    reached = Verdict("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
    return reached if enough and not active else None


def _restarted_too_often(job: Job, pods: Sequence[JobPod]) -> bool:
    """Where containers are restarted in place, that is what counts."""
    statuses = (pod.status for pod in pods if pod.status.phase in ("Pending", "Running"))
    restarts = sum(c.restartCount for s in statuses for c in (*s.containerStatuses, *s.initContainerStatuses))
    if restarts < max(job.spec.backoffLimit, 1):
        return False
    return bool(msgspec.json.decode(job.spec.template.spec).get("restartPolicy") == "OnFailure")


def deadline(job: Job, now: datetime) -> float | None:
    """Seconds that are left; None where there is no limit."""
    if job.spec.activeDeadlineSeconds is None or job.status.startTime is None or job.spec.suspend:
        return None
    ends = parse_timestamp(job.status.startTime) + timedelta(seconds=job.spec.activeDeadlineSeconds)
    return (ends - now).total_seconds()


def plan(job: Job, sums: Tally, pods: Sequence[JobPod], record: Record, now: datetime) -> Plan:
    """Pods to start and stop while the Job goes on: either the one or the other."""
    active = [pod for pod in pods if is_active(pod)]
    if job.spec.suspend:
        return Plan(delete=active)
    if job.spec.completions is not None:
        wanted = max(0, min(job.spec.parallelism, job.spec.completions - sums.succeeded))
    else:
        wanted = len(active) if sums.succeeded else job.spec.parallelism
    if surplus := _surplus(job, active, len(active) - wanted, now):
        return Plan(delete=surplus[:MOST_AT_ONCE])
    awaited = [pod for pod in pods if job.awaits_ends and is_terminating(pod)]
    missing = min(wanted - len(active) - len(awaited), MOST_AT_ONCE)
    if missing <= 0:
        return Plan()
    if not job.by_index and (wait := record.remaining(now)):
        return Plan(wait=wait)
    if not job.indexed:
        return Plan(create=[None] * missing)
    taken = sums.completed | (sums.failed_indexes or Indexes())
    taken |= Indexes.of({pod.index for pod in (*active, *awaited) if pod.index is not None})
    return _by_index(list(islice(taken.missing(job.size), missing)), sums, now)


def _surplus(job: Job, active: list[JobPod], count: int, now: datetime) -> list[JobPod]:
    """At least `count` pods: those without an index of their own first, then those whose loss matters least."""
    gone: list[JobPod] = []
    if job.indexed:
        owners: dict[int, list[JobPod]] = {}
        for pod in active:
            if pod.index is None or pod.index >= job.size:
                gone.append(pod)
            else:
                owners.setdefault(pod.index, []).append(pod)
        for same in owners.values():
            gone += victims(same, len(same) - 1, (), now) if len(same) > 1 else ()
        lost = {pod.metadata.uid for pod in gone}
        active = [pod for pod in active if pod.metadata.uid not in lost]
    more = count - len(gone)
    return [*gone, *victims(active, more, (), now)] if more > 0 else gone


def _by_index(indexes: list[int], sums: Tally, now: datetime) -> Plan:
    """Those of the indexes whose last failure is long enough ago."""
    made = Plan()
    for index in indexes:
        last = sums.kept.get(index)
        wait = backoff.remaining(last.all_failures + 1, finished_at(last), now) if last is not None else 0.0
        if wait:
            made.wait = min(wait, made.wait or wait)
        else:
            made.create.append(index)
    return made
