"""Each finished pod of a Job is counted exactly once, whatever crashes in between (KEP-2307). Pure.

A pod keeps a finalizer until it has been counted. First its uid is written to the status as uncounted; then the
finalizer is taken off; then, with the pod seen without it or gone, the count goes up and the uid goes out in one write.
Of an indexed Job's pod that has succeeded the index is written instead, which cannot be counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from longboat.controllers.job.backoff import finished_at
from longboat.controllers.job.indexes import Indexes
from longboat.controllers.job.policies import judge
from longboat.controllers.job.views import Job, JobPod, Uncounted

MOST_UNCOUNTED = 500  # pods in one write, so that the status stays small (upstream's MaxUncountedPods)
ENDED = ("Succeeded", "Failed")


def is_active(pod: JobPod) -> bool:
    return pod.status.phase not in ENDED and pod.metadata.deletionTimestamp is None


def is_terminating(pod: JobPod) -> bool:
    return pod.status.phase not in ENDED and pod.metadata.deletionTimestamp is not None


def has_failed(job: Job, pod: JobPod) -> bool:
    """A pod on its way out has failed too, unless the Job waits for its end."""
    if pod.status.phase == "Failed":
        return True
    return is_terminating(pod) and not job.awaits_ends


@dataclass(frozen=True)
class Tally:
    """How far a Job is, with the pods that have ended since its status was written."""

    succeeded: int
    failed: int  # without those that the failure policy ignores
    completed: Indexes = field(default_factory=Indexes)
    failed_indexes: Indexes | None = None  # None where indexes have no limits of their own
    new_succeeded: Sequence[JobPod] = ()
    new_failed: Sequence[JobPod] = ()
    kept: Mapping[int, JobPod] = field(default_factory=dict)  # by index: failed, not replaced yet


def tally(job: Job, pods: Sequence[JobPod]) -> Tally:
    status, before = job.status, job.status.uncountedTerminatedPods or Uncounted()
    known = {*before.succeeded, *before.failed}
    ours = [pod for pod in pods if pod.tracked and _valid(job, pod)]
    fresh = [pod for pod in ours if pod.metadata.uid not in known]
    succeeded = [pod for pod in fresh if pod.status.phase == "Succeeded"]
    failed = [pod for pod in fresh if has_failed(job, pod)]
    count = status.failed + len(before.failed) + sum(judge(job, pod).counts for pod in failed)
    if not job.indexed:
        done = status.succeeded + len(before.succeeded) + len(succeeded)
        return Tally(done, count, new_succeeded=succeeded, new_failed=failed)
    completed = Indexes.parse(status.completedIndexes, job.size)
    completed |= Indexes.of({pod.index for pod in succeeded if pod.index is not None})
    if not job.by_index:
        return Tally(completed.total, count, completed, new_succeeded=succeeded, new_failed=failed)
    lost = Indexes.parse(status.failedIndexes or "", job.size)
    all_failed = [pod for pod in ours if has_failed(job, pod)]
    hopeless = {pod.index for pod in all_failed if pod.index is not None and _is_hopeless(job, pod)}
    lost |= Indexes.of(index for index in hopeless if index not in completed)
    kept = _kept(pods, all_failed, completed, lost)
    return Tally(completed.total, count, completed, lost, succeeded, failed, kept)


def _valid(job: Job, pod: JobPod) -> bool:
    return not job.indexed or (pod.index is not None and pod.index < job.size)


def _is_hopeless(job: Job, pod: JobPod) -> bool:
    """Whether with this failure its index has failed."""
    judgement, limit = judge(job, pod), job.spec.backoffLimitPerIndex
    if judgement.action == "FailIndex":
        return True
    return judgement.counts and limit is not None and pod.counted_failures >= limit


def _kept(
    pods: Sequence[JobPod], failed: Iterable[JobPod], completed: Indexes, lost: Indexes
) -> dict[int, JobPod]:  # fmt: skip
    """The last failed pod of each index that waits for a new one, which is to inherit the count of failures."""
    busy = {pod.index for pod in pods if is_active(pod)}
    kept: dict[int, JobPod] = {}
    for pod in failed:
        index = pod.index
        if index is None or index in busy or index in completed or index in lost:
            continue
        other = kept.get(index)
        if other is None or (other.all_failures, finished_at(other)) <= (pod.all_failures, finished_at(pod)):
            kept[index] = pod
    return kept


@dataclass(frozen=True)
class Ledger:
    """What the status is to say, and which pods may then lose their finalizer."""

    succeeded: int
    failed: int
    uncounted_succeeded: tuple[str, ...] = ()
    uncounted_failed: tuple[str, ...] = ()
    release: tuple[JobPod, ...] = ()
    complete: bool = True  # every pod that has ended is in it

    @property
    def settled(self) -> bool:
        """Whether every pod has been counted."""
        return self.complete and not self.uncounted_succeeded and not self.uncounted_failed


def account(job: Job, pods: Iterable[JobPod], sums: Tally, *, end: str = "") -> Ledger:
    """`end` is how the Job ends, "Complete" or "Failed", where it does: what is active then has failed with it."""
    before = job.status.uncountedTerminatedPods or Uncounted()
    held = {pod.metadata.uid: pod for pod in pods if pod.tracked}
    succeeded = [uid for uid in before.succeeded if uid in held]
    failed = [uid for uid in before.failed if uid in held]
    counted = job.status.succeeded + len(before.succeeded) - len(succeeded)
    counted_failed = job.status.failed + len(before.failed) - len(failed)
    release = [held.pop(uid) for uid in (*succeeded, *failed)]
    going = job.metadata.deletionTimestamp is not None
    delayed = {pod.metadata.uid for pod in sums.kept.values()}
    fresh = {pod.metadata.uid for pod in sums.new_succeeded}
    written, complete = len(release), True
    for uid, pod in sorted(held.items()):
        ended_well, ended_badly = pod.status.phase == "Succeeded", has_failed(job, pod)
        if not (going or end or ended_well or (ended_badly and uid not in delayed)):
            continue
        if written >= MOST_UNCOUNTED:
            complete = False
            break
        release.append(pod)
        if ended_well:
            written += uid in fresh
            if not job.indexed:
                succeeded.append(uid)
        elif (ended_badly or end == "Failed") and _valid(job, pod) and judge(job, pod).counts:
            written += 1
            failed.append(uid)
    total = sums.completed.total if job.indexed else counted
    return Ledger(total, counted_failed, tuple(succeeded), tuple(failed), tuple(release), complete)
