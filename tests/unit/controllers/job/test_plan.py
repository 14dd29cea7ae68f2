"""Which pods a Job starts and stops, and when it has ended."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.controllers.job.accounting import account, tally
from longboat.controllers.job.backoff import Record, finished_at
from longboat.controllers.job.plan import plan, verdict
from longboat.controllers.job.views import Job, JobPod
from unit.controllers.job.made import NOW, indexed, job, pod

BY_INDEX = {"backoffLimitPerIndex": 1, "backoffLimit": 100, "parallelism": 4}


def planned(wanted: Job, *pods: JobPod, record: Record = Record()) -> tuple[list[int | None], list[str], float | None]:
    made = plan(wanted, tally(wanted, pods), pods, record, NOW)
    return made.create, sorted(each.metadata.uid for each in made.delete), made.wait


def ends(wanted: Job, *pods: JobPod) -> str:
    found = verdict(wanted, tally(wanted, pods), pods, NOW)
    return found.reason if found else ""


@pytest.mark.parametrize(("wanted", "pods", "expected"), [
    (job(parallelism=2), (), ([None, None], [], None)),
    (job(parallelism=9), (pod("a"),), ([None] * 3, [], None)),
    (job({"succeeded": 3}, parallelism=2), (), ([None], [], None)),
    (job(parallelism=1), (pod("a"), pod("b", "Pending")), ([], ["b"], None)),
    (job(parallelism=2, suspend=True), (pod("a"), pod("b")), ([], ["a", "b"], None)),
    (job(parallelism=2, completions=None), (pod("a", "Succeeded"), pod("b")), ([], [], None)),
    (job(parallelism=1), (pod("a", going=True),), ([None], [], None)),
    (job(parallelism=1, podReplacementPolicy="Failed"), (pod("a", going=True),), ([], [], None)),
    (job(parallelism=1, podFailurePolicy={}), (pod("a", going=True),), ([], [], None)),
    (indexed(parallelism=3), (pod("a", index=1),), ([0, 2], [], None)),
    (indexed(parallelism=4), (pod("a", index=0), pod("b", "Pending", index=0)), ([], ["b"], None)),
    (indexed(parallelism=4), (pod("a", index=0), pod("b", index=4), pod("c")), ([], ["b", "c"], None)),
    (indexed(parallelism=2, podReplacementPolicy="Failed"), (pod("a", index=0, going=True),), ([1], [], None)),
    (indexed({"failedIndexes": "0"}, **BY_INDEX), (), ([1, 2, 3], [], None)),
    (indexed(**BY_INDEX), (pod("a", "Failed", index=2, ended=3),), ([0, 1, 3], [], 7.0)),
    (indexed(**BY_INDEX), (pod("a", "Failed", index=2, ended=11),), ([0, 1, 2, 3], [], None)),
    (indexed(**{**BY_INDEX, "backoffLimitPerIndex": 9}), (pod("a", "Failed", index=0, ended=30, failures=2),),
     ([1, 2, 3], [], 10.0)),
])  # fmt: skip
def test_what_comes_next(wanted: Job, pods: tuple[JobPod, ...], expected: Any) -> None:
    assert planned(wanted, *pods) == expected


def test_failures_slow_it_down() -> None:
    record = Record().after((), [pod("a", "Failed", code=1, ended=5)])
    assert planned(job(), record=record) == ([], [], 5.0)
    assert record.after((), [pod("a", "Failed", code=1, ended=5)]) == record, "no failure counts twice"
    twice = record.after((), [pod("b", "Failed", code=1, ended=2)])
    assert (twice.failures, twice.remaining(NOW)) == (2, 18.0)
    assert twice.after([pod("c", "Succeeded", code=0)], ()).remaining(NOW) == 0
    mixed = twice.after([pod("c", "Succeeded", code=0, ended=9)], [pod("d", "Failed", code=1, ended=8)])
    assert (mixed.failures, mixed.remaining(NOW)) == (1, 2.0)
    assert Record(50, NOW).remaining(NOW) == 600


def test_when_a_pod_ended() -> None:
    assert (NOW - finished_at(pod("a", "Failed", code=1, ended=5))).total_seconds() == 5


@pytest.mark.parametrize(("wanted", "pods", "expected"), [
    (job(backoffLimit=1), (pod("a", "Failed"), pod("b", "Failed")), "BackoffLimitExceeded"),
    (job(backoffLimit=1), (pod("a", "Failed"),), ""),
    (job({"failed": 1, "uncountedTerminatedPods": {"failed": ["a"]}}, backoffLimit=1), (), "BackoffLimitExceeded"),
    (job(backoffLimit=0), (pod("a", going=True),), "BackoffLimitExceeded"),
    (job(backoffLimit=0, podReplacementPolicy="Failed"), (pod("a", going=True),), ""),
    (job({"startTime": "2025-12-31T23:59:00Z"}, activeDeadlineSeconds=60), (), "DeadlineExceeded"),
    (job({"startTime": "2025-12-31T23:59:00Z"}, activeDeadlineSeconds=60, suspend=True), (), ""),
    (indexed({"completedIndexes": "0-2"}, **BY_INDEX), (pod("a", "Failed", index=3, failures=1),), "FailedIndexes"),
    (indexed({"completedIndexes": "0-1"}, **BY_INDEX), (pod("a", "Failed", index=3, failures=1),), ""),
    (indexed({"failedIndexes": "0"}, **BY_INDEX, maxFailedIndexes=1), (pod("a", "Failed", index=3, failures=1),),
     "MaxFailedIndexesExceeded"),
    (indexed({"completedIndexes": "1"}, successPolicy={"rules": [{"succeededCount": 2}]}),
     (pod("a", "Succeeded", index=3),), "SuccessPolicy"),
])  # fmt: skip
def test_when_it_ends(wanted: Job, pods: tuple[JobPod, ...], expected: str) -> None:
    assert ends(wanted, *pods) == expected


def test_a_pod_that_is_to_be_replaced_keeps_its_count_until_it_is() -> None:
    wanted, failed = indexed(**BY_INDEX), pod("a", "Failed", index=0)
    alone = account(wanted, [failed], tally(wanted, [failed]))
    assert alone.release == () and alone.uncounted_failed == ()
    pods = [failed, pod("b", index=0, failures=1)]
    replaced = account(wanted, pods, tally(wanted, pods))
    assert replaced.release == (failed,) and replaced.uncounted_failed == ("a",)


def test_what_was_at_work_when_a_job_failed_has_failed_too_and_what_succeeded_has_not() -> None:
    wanted, pods = job(), [pod("a"), pod("b", "Succeeded")]
    assert account(wanted, pods, tally(wanted, pods), end="Failed").uncounted_failed == ("a",)
    found = account(wanted, pods, tally(wanted, pods), end="Complete")
    assert (found.uncounted_failed, found.uncounted_succeeded, found.release) == ((), ("b",), tuple(pods))


def test_many_pods_are_counted_in_several_writes() -> None:
    wanted, pods = job(completions=1200), [pod(f"p{n:04}", "Succeeded") for n in range(1200)]
    found = account(wanted, pods, tally(wanted, pods))
    assert len(found.uncounted_succeeded) == len(found.release) == 500 and not found.settled
