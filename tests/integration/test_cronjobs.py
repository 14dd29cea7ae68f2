"""CronJobs: Jobs by the clock, which here is moved by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from longboat.machinery.objects import Object, parse_timestamp
from longboat.testing.cluster import Cluster

pytestmark = pytest.mark.nodes("n1")


def cron(schedule: str = "*/10 * * * *", **spec: Any) -> Object:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "work:1"}]}
    template = {"spec": {"template": {"spec": pod}}}
    whole = {"schedule": schedule, "jobTemplate": template, **spec}
    return {"kind": "CronJob", "apiVersion": "batch/v1", "metadata": {"name": "tick"}, "spec": whole}


async def jobs(cluster: Cluster) -> list[str]:
    return sorted(job["metadata"]["name"] for job in await cluster.list("jobs"))


async def end_pods(cluster: Cluster, phase: str = "Succeeded") -> None:
    for pod in await cluster.list("pods"):
        if pod.get("status", {}).get("phase", "Pending") not in ("Succeeded", "Failed"):
            await cluster.patch(f"pod/{pod['metadata']['name']}", {"status": {"phase": phase}}, subresource="status")
    await cluster.settle()


async def test_jobs_come_by_the_clock_and_only_the_newest_are_kept(cluster: Cluster) -> None:
    await cluster.apply(cron())
    await cluster.clock.advance(599)
    assert await jobs(cluster) == []
    await cluster.clock.advance(2)
    (first,) = await jobs(cluster)
    (job,) = await cluster.list("jobs")
    assert job["metadata"]["ownerReferences"][0]["name"] == "tick"
    status = (await cluster.get("cronjob/tick"))["status"]
    assert [entry["name"] for entry in status["active"]] == [first]
    await end_pods(cluster)
    status = (await cluster.get("cronjob/tick"))["status"]
    assert not status.get("active") and status["lastSuccessfulTime"]
    for _ in range(4):
        await cluster.clock.advance(600)
        await end_pods(cluster)
    assert len(await jobs(cluster)) == 3 and first not in await jobs(cluster)


async def test_policies_on_jobs_that_still_run(cluster: Cluster) -> None:
    await cluster.apply(cron(concurrencyPolicy="Forbid"))
    await cluster.clock.advance(1300)
    assert len(await jobs(cluster)) == 1
    assert any(e["reason"] == "JobAlreadyActive" for e in await cluster.list("events"))
    (first,) = await jobs(cluster)
    await cluster.patch("cronjob/tick", {"spec": {"concurrencyPolicy": "Replace"}})
    await cluster.clock.advance(600)
    (second,) = await jobs(cluster)
    assert second != first
    await cluster.patch("cronjob/tick", {"spec": {"concurrencyPolicy": "Allow"}})
    await cluster.clock.advance(1200)
    assert len(await jobs(cluster)) == 3


async def test_suspension_and_missed_times(cluster: Cluster) -> None:
    await cluster.apply(cron(suspend=True, startingDeadlineSeconds=60))
    await cluster.clock.advance(3000)
    assert await jobs(cluster) == []
    await cluster.clock.advance(90)
    await cluster.patch("cronjob/tick", {"spec": {"suspend": False}})
    await cluster.settle()
    assert await jobs(cluster) == []  # the last time is longer ago than the deadline allows
    await cluster.clock.advance(600)
    assert len(await jobs(cluster)) == 1


async def test_a_schedule_that_never_comes_is_told_of(cluster: Cluster) -> None:
    await cluster.apply(cron("59 23 31 2 *"))
    await cluster.settle()
    (event,) = await cluster.list("events")
    assert (event["type"], event["reason"]) == ("Warning", "InvalidSchedule")
    why = "time difference between two schedules is less than 1 second"
    assert event["message"] == f"invalid schedule: 59 23 31 2 * : {why}"


async def test_a_clock_that_was_ahead_stops_nothing_once_it_is_right_again(cluster: Cluster) -> None:
    await cluster.apply(cron(), {**cron("@every 10m"), "metadata": {"name": "every"}})
    cluster.clock.step(timedelta(days=1))
    await cluster.clock.advance(601)
    await end_pods(cluster)
    ahead = set(await jobs(cluster))
    assert {name.partition("-")[0] for name in ahead} == {"tick", "every"}
    cluster.clock.step(-timedelta(days=1))
    await cluster.clock.advance(1201)
    made = [name.partition("-")[0] for name in set(await jobs(cluster)) - ahead]
    assert sorted(made) == ["every", "tick"], "the first time of each shows that the clock was ahead"
    status = (await cluster.get("cronjob/tick"))["status"]
    assert parse_timestamp(status["lastScheduleTime"]) <= cluster.clock.now()
