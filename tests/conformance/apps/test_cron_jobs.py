"""CronJobs (sig-apps)."""

from __future__ import annotations

from typing import Any

from conformance.apps.job_scenes import job, pods_of, run, wait
from conformance.apps.scenes import watched
from conformance.stage import inside, on_nodes
from conformance.verbs import Verbs, labels_of
from longboat.client.interface import Key
from longboat.machinery.objects import Object, timestamp
from longboat.testing.cluster import Cluster

MINUTE = 60


def cron(schedule: str = "*/1 * * * *", **spec: Any) -> Object:
    template = {"spec": job(parallelism=1, completions=1)["spec"]}
    return {"spec": {"schedule": schedule, "jobTemplate": template, "concurrencyPolicy": "Allow", **spec}}


async def minutes(cluster: Cluster, count: int) -> None:
    """Let time go by, the pods of all jobs running on."""
    for _ in range(count):
        await wait(cluster, MINUTE)
        await run(cluster)


async def active(cluster: Cluster) -> list[str]:
    """Names of jobs that the CronJob says are active."""
    found = (await cluster.get("cronjob/tick"))["status"].get("active", ())
    return [each["name"] for each in found]


async def jobs(cluster: Cluster) -> list[str]:
    return sorted(each["metadata"]["name"] for each in await cluster.list("jobs"))


@on_nodes()
async def test_several_at_once(cluster: Cluster) -> None:
    """Conformance: CronJob AllowConcurrent

    A schedule counts minutes: so in virtual time.
    """
    await Verbs(cluster, "cronjob").create("tick", cron())
    await minutes(cluster, 3)
    found = await active(cluster)
    assert len(found) >= 2 and sorted(found) == await jobs(cluster)
    for name in found:
        (pod,) = await pods_of(cluster, "Running", name)
        assert pod["metadata"]["ownerReferences"][0]["name"] == name


@on_nodes()
async def test_suspension(cluster: Cluster) -> None:
    """Conformance: CronJob Suspend

    A schedule counts minutes: so in virtual time.
    """
    crons = Verbs(cluster, "cronjob")
    await crons.create("tick", cron(suspend=True))
    await minutes(cluster, 5)
    assert await active(cluster) == await jobs(cluster) == []
    await crons.patch("tick", {"spec": {"suspend": False}})
    await minutes(cluster, 1)
    assert len(await jobs(cluster)) >= 1, "it was the suspension that held it"


@on_nodes()
async def test_one_at_a_time(cluster: Cluster) -> None:
    """Conformance: CronJob ForbidConcurrent

    A schedule counts minutes: so in virtual time.
    """
    await Verbs(cluster, "cronjob").create("tick", cron(concurrencyPolicy="Forbid"))
    await minutes(cluster, 1)
    (first,) = await jobs(cluster)
    for _ in range(5):
        await minutes(cluster, 1)
        assert await active(cluster) == await jobs(cluster) == [first]
    assert len(await pods_of(cluster, "Running", first)) == 1


@on_nodes()
async def test_the_newest_alone(cluster: Cluster) -> None:
    """Conformance: CronJob ReplaceConcurrent

    A schedule counts minutes: so in virtual time.
    """
    await Verbs(cluster, "cronjob").create("tick", cron(concurrencyPolicy="Replace"))
    await minutes(cluster, 1)
    (first,) = await jobs(cluster)
    assert await active(cluster) == [first]
    await minutes(cluster, 1)
    (second,) = await jobs(cluster)
    assert second != first and await active(cluster) == [second]
    assert await pods_of(cluster, name=first) == [] and len(await pods_of(cluster, "Running", second)) == 1


@inside
async def test_verbs(cluster: Cluster) -> None:
    """Conformance: CronJob API Operations"""
    crons = Verbs(cluster, "cronjob")
    yearly, mine = cron("0 0 1 1 *"), {"special": "yes"}
    created = await crons.create("tick", yearly, labels=mine)
    await crons.create("tock", yearly, labels=mine)
    await crons.create("other", yearly)
    assert (await crons.read("tick"))["metadata"]["uid"] == created["metadata"]["uid"]
    assert [each["metadata"]["name"] for each in await crons.list("special=yes")] == ["tick", "tock"]
    assert len(await crons.list("special=yes", everywhere=True)) == 2
    since = created["metadata"]["resourceVersion"]

    patched = await crons.patch("tick", {"metadata": {"annotations": {"patched": "true"}}})
    assert patched["metadata"]["annotations"]["patched"] == "true"
    await watched(crons, since, lambda obj: "patched" in obj["metadata"].get("annotations", {}))

    def annotate(obj: Object) -> None:
        obj["metadata"]["annotations"]["updated"] = "true"
        obj["spec"]["suspend"] = True

    updated = await crons.update("tick", annotate)
    assert updated["metadata"]["annotations"] == {"patched": "true", "updated": "true"} and updated["spec"]["suspend"]
    await watched(crons, since, lambda obj: "updated" in obj["metadata"].get("annotations", {}))

    moment = timestamp(cluster.clock.now())
    change = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"lastScheduleTime": moment}}
    patched = await crons.patch("tick", change, subresource="status")
    assert patched["status"]["lastScheduleTime"] == moment
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    await cluster.clock.advance(1)
    later = timestamp(cluster.clock.now())

    def schedule(obj: Object) -> None:
        obj["status"]["lastScheduleTime"] = later
        obj["spec"]["schedule"] = "* * * * *"

    updated = await crons.update("tick", schedule, "status")
    assert updated["status"]["lastScheduleTime"] == later and updated["spec"]["schedule"] == "0 0 1 1 *"
    found = await crons.read("tick", "status")
    assert (found["metadata"]["uid"], found["status"]["lastScheduleTime"]) == (created["metadata"]["uid"], later)

    await crons.delete("tick")
    assert await crons.is_gone("tick")
    await crons.delete_collection("special=yes")
    assert await crons.list("special=yes") == []
    assert [labels_of(each) for each in await crons.list()] == [{}], "the other one stays"
    assert await cluster.client.get_raw(crons.kind, Key("default", "other"))
