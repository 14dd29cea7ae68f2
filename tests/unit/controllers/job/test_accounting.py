"""Every finished pod is counted exactly once, whatever is lost between two steps."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from longboat.controllers.job.accounting import account, tally
from longboat.controllers.job.views import FINALIZER, Job, JobPod, Uncounted


def pod(uid: str, phase: str, tracked: bool) -> JobPod:
    meta: dict[str, Any] = {"uid": uid, "name": uid, "finalizers": [FINALIZER] if tracked else []}
    meta["creationTimestamp"] = "2026-01-01T00:00:00Z"
    return msgspec.convert({"metadata": meta, "status": {"phase": phase}}, JobPod)


def uncounted(job: Job) -> Uncounted:
    return job.status.uncountedTerminatedPods or Uncounted()


@given(
    st.lists(st.sampled_from(("Succeeded", "Failed")), max_size=8),
    st.lists(st.sampled_from(("write", "crash before", "crash after", "remove")), max_size=60),
)
def test_counts_are_right_whatever_crashes(phases: list[str], events: list[str]) -> None:
    """A write of the status may be lost, the finalizers after it may stay, counted pods may be deleted by anybody."""
    job = msgspec.convert({"spec": {"completions": 8}}, Job)
    pods = {f"p{number}": pod(f"p{number}", phase, True) for number, phase in enumerate(phases)}

    def step(event: str) -> None:
        nonlocal job
        listed = list(pods.values())
        ledger = account(job, listed, tally(job, listed))
        if event == "crash before":
            return
        waiting = {"succeeded": ledger.uncounted_succeeded, "failed": ledger.uncounted_failed}
        status = {"succeeded": ledger.succeeded, "failed": ledger.failed, "uncountedTerminatedPods": waiting}
        job = msgspec.convert({"spec": {"completions": 8}, "status": status}, Job)
        if event == "crash after":
            return
        for each in ledger.release:
            uid = each.metadata.uid
            if event == "remove":
                del pods[uid]
            else:
                pods[uid] = pod(uid, each.status.phase, False)

    for event in events:
        step(event)
        assert job.status.succeeded + len(uncounted(job).succeeded) <= phases.count("Succeeded")
        assert job.status.failed + len(uncounted(job).failed) <= phases.count("Failed")
    step("write")
    step("write")
    assert (job.status.succeeded, job.status.failed) == (phases.count("Succeeded"), phases.count("Failed"))
    assert uncounted(job).succeeded == uncounted(job).failed == []
