"""Each finished pod of a Job is counted exactly once, whatever crashes in between (KEP-2307). Pure.

A pod keeps a finalizer until it has been counted. First its uid is written to the status as uncounted; then the
finalizer is taken off; then, with the pod seen without it or gone, the count goes up and the uid goes out in one write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from longboat.controllers.job.views import Job, JobPod


@dataclass(frozen=True)
class Ledger:
    """What the status is to say, and which pods may then lose their finalizer."""

    succeeded: int
    failed: int
    completed: frozenset[int]  # indexes, of an indexed Job
    uncounted_succeeded: tuple[str, ...]
    uncounted_failed: tuple[str, ...]
    release: tuple[JobPod, ...]
    new_failures: int

    @property
    def all_succeeded(self) -> int:
        return self.succeeded + len(self.uncounted_succeeded)

    @property
    def all_failed(self) -> int:
        return self.failed + len(self.uncounted_failed)


def account(job: Job, pods: Iterable[JobPod]) -> Ledger:
    found = {pod.metadata.uid: pod for pod in pods}
    before = job.status.uncountedTerminatedPods
    held = {uid for uid, pod in found.items() if pod.tracked}
    succeeded, failed = job.status.succeeded, job.status.failed
    completed = parse_indexes(job.status.completedIndexes)
    uncounted: tuple[list[str], list[str]] = ([], [])
    for uid in before.succeeded:
        if uid in held:
            uncounted[0].append(uid)
        else:
            succeeded += 1
    for uid in before.failed:
        if uid in held:
            uncounted[1].append(uid)
        else:
            failed += 1
    known, new_failures = {*before.succeeded, *before.failed}, 0
    for uid in sorted(held - known):
        pod = found[uid]
        if pod.status.phase == "Succeeded":
            if job.indexed:
                if pod.index is None or pod.index in completed or pod.index >= (job.spec.completions or 0):
                    continue  # its index has been done already: it counts for nothing, and is let go
                completed |= {pod.index}
            uncounted[0].append(uid)
        elif has_failed(job, pod):
            uncounted[1].append(uid)
            new_failures += 1
    if job.indexed:
        succeeded = len(completed) - len(uncounted[0])
    listed = {*uncounted[0], *uncounted[1]}
    idle = {uid for uid in held if found[uid].status.phase == "Succeeded"} - listed
    release = tuple(found[uid] for uid in sorted(listed | idle) if uid in held)
    return Ledger(succeeded, failed, completed, tuple(uncounted[0]), tuple(uncounted[1]), release, new_failures)


def has_failed(job: Job, pod: JobPod) -> bool:
    """A pod on its way out has failed too, unless the Job waits for its end to replace it."""
    if pod.status.phase == "Failed":
        return True
    waits = job.spec.podReplacementPolicy == "Failed"
    return pod.metadata.deletionTimestamp is not None and pod.status.phase != "Succeeded" and not waits


def parse_indexes(text: str) -> frozenset[int]:
    """The numbers of `0,2-5`."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        low, _, high = part.partition("-")
        found |= set(range(int(low), int(high or low) + 1))
    return frozenset(found)


def show_indexes(indexes: Iterable[int]) -> str:
    """Sorted, runs of three and more as ranges, pairs by a comma (batch/v1 completedIndexes)."""
    parts: list[list[int]] = []
    for index in sorted(indexes):
        if parts and index == parts[-1][-1] + 1:
            parts[-1].append(index)
        else:
            parts.append([index])
    return ",".join(
        f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in parts
    )  # fmt: skip
