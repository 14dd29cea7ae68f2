"""How long a Job waits before it replaces a pod that failed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from longboat.controllers.job.views import JobPod
from longboat.machinery.objects import parse_timestamp

FIRST, LONGEST = 10.0, 600.0  # seconds, doubling with each failure in a row
STEPS = 7  # doublings after which it is longest anyway


@dataclass(frozen=True)
class Record:
    """`failures` since the last success, the last of them at `last`; `seen` are uids of pods it knows of."""

    failures: int = 0
    last: datetime | None = None
    seen: frozenset[str] = frozenset()

    def after(self, succeeded: Sequence[JobPod], failed: Sequence[JobPod]) -> Record:
        """With pods that have ended and were not counted before."""
        seen = frozenset(pod.metadata.uid for pod in (*succeeded, *failed))
        fresh = [finished_at(pod) for pod in failed if pod.metadata.uid not in self.seen]
        ended_well = [finished_at(pod) for pod in succeeded if pod.metadata.uid not in self.seen]
        if ended_well:
            since = [moment for moment in fresh if moment > max(ended_well)]
            return Record(len(since), max(since, default=None), seen)
        if not fresh:
            return Record(self.failures, self.last, seen)
        return Record(self.failures + len(fresh), max(fresh), seen)

    def remaining(self, now: datetime) -> float:
        """Seconds until the next pod may be started."""
        return remaining(self.failures, self.last, now)


def remaining(failures: int, last: datetime | None, now: datetime) -> float:
    if not failures or last is None:
        return 0.0
    wait = min(FIRST * (1 << min(failures - 1, STEPS)), LONGEST)
    return max(0.0, wait - (now - last).total_seconds())


def finished_at(pod: JobPod) -> datetime:
    """When the last of its containers ended, or else when it ceased to be ready, was deleted, or was made."""
    restartable = {c.name for c in pod.spec.initContainers if c.restartPolicy == "Always"}
    sidecars = [c for c in pod.status.initContainerStatuses if c.name in restartable]
    ended = [c.state.terminated and c.state.terminated.finishedAt for c in (*pod.status.containerStatuses, *sidecars)]
    if ended and all(ended):
        return max(parse_timestamp(moment) for moment in ended if moment)
    for condition in pod.status.conditions:
        if condition.type == "Ready" and condition.status == "False" and condition.lastTransitionTime:
            return parse_timestamp(condition.lastTransitionTime)
    meta = pod.metadata
    if meta.deletionTimestamp:
        return parse_timestamp(meta.deletionTimestamp) - timedelta(seconds=meta.deletionGracePeriodSeconds or 0)
    assert meta.creationTimestamp is not None
    return parse_timestamp(meta.creationTimestamp)
