"""StatefulSets (sig-apps)."""

from __future__ import annotations

from typing import Any

from conformance.apps import scenes
from conformance.apps.scenes import image_of, new_image, pods, set_status, workload
from conformance.stage import on_nodes
from conformance.verbs import Verbs, labels_of
from integration.workloads import run_pods, until_quiet
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

HASH = "controller-revision-hash"


def stateful(replicas: int = 1, **spec: Any) -> Object:
    return workload(replicas, serviceName="web", **spec)


def partitioned(at: int) -> Object:
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": at}}


async def images(cluster: Cluster) -> list[str]:
    """In the order of the pods' ordinals."""
    found = await pods(cluster)
    return [image_of(found[name]) for name in sorted(found)]


async def revisions(cluster: Cluster) -> list[str]:
    found = await pods(cluster)
    return [labels_of(found[name])[HASH] for name in sorted(found)]


async def status(cluster: Cluster) -> Object:
    found: Object = (await cluster.get("statefulset/web"))["status"]
    return found


async def make_all(cluster: Cluster, *, ready: bool) -> None:
    for name in sorted(await pods(cluster)):
        await set_status(cluster, name, "Running", ready=ready)


async def going(cluster: Cluster) -> list[str]:
    found = await cluster.list("pods", labels="app=web")
    return [pod["metadata"]["name"] for pod in found if pod["metadata"].get("deletionTimestamp")]


async def arrivals(cluster: Cluster, *, ready: bool = True) -> list[list[str]]:
    """What pods there are after each step, as the node agent lets them start and end."""
    seen = [sorted(await pods(cluster))]
    for _ in range(20):
        changed = await run_pods(cluster, ready=ready)
        if (now := sorted(await pods(cluster))) != seen[-1]:
            seen.append(now)
        if not changed:
            break
    return seen


@on_nodes()
async def test_scaling_in_order(cluster: Cluster) -> None:
    """As the entry "StatefulSet, Scaling", with a node that is played."""
    sets = Verbs(cluster, "statefulset")
    await sets.create("web", stateful())
    await run_pods(cluster)
    await make_all(cluster, ready=False)
    await sets.patch("web", {"spec": {"replicas": 3}})
    assert await arrivals(cluster, ready=False) == [["web-0"]], "growing waits for what is not well"
    await make_all(cluster, ready=True)
    assert await arrivals(cluster) == [["web-0", "web-1"], ["web-0", "web-1", "web-2"]]
    assert (await status(cluster))["readyReplicas"] == 3

    await make_all(cluster, ready=False)
    await sets.patch("web", {"spec": {"replicas": 0}})
    assert await arrivals(cluster, ready=False) == [["web-0", "web-1", "web-2"]], "and so does shrinking"
    assert await going(cluster) == []
    await make_all(cluster, ready=True)
    assert await going(cluster) == ["web-2"]
    assert await arrivals(cluster) == [["web-0", "web-1"], ["web-0"], []]
    assert (await status(cluster))["replicas"] == 0


@on_nodes()
async def test_burst_scaling(cluster: Cluster) -> None:
    """As the entry "StatefulSet, Burst Scaling", with a node that is played."""
    sets = Verbs(cluster, "statefulset")
    await sets.create("web", stateful(podManagementPolicy="Parallel"))
    await run_pods(cluster)
    await make_all(cluster, ready=False)
    await sets.patch("web", {"spec": {"replicas": 3}})
    assert sorted(await pods(cluster)) == ["web-0", "web-1", "web-2"], "all at once, though one is not well"
    await until_quiet(cluster)
    await make_all(cluster, ready=True)
    assert (await status(cluster))["readyReplicas"] == 3
    await make_all(cluster, ready=False)
    await sets.patch("web", {"spec": {"replicas": 0}})
    assert sorted(await going(cluster)) == ["web-0", "web-1", "web-2"]
    await until_quiet(cluster)
    assert not await cluster.list("pods") and (await status(cluster))["replicas"] == 0


@on_nodes()
async def test_failed_pods(cluster: Cluster) -> None:
    """As the entry "StatefulSet, Recreate Failed Pod", with a node that is played."""
    await Verbs(cluster, "statefulset").create("web", stateful())
    uids = set()
    for _ in range(3):  # a node that has no port for it refuses it time and again
        (pod,) = (await pods(cluster)).values()
        assert pod["metadata"]["name"] == "web-0"
        uids.add(pod["metadata"]["uid"])
        await set_status(cluster, "web-0", "Failed", ready=False)
        if await going(cluster):
            await scenes.delete_pod(cluster, "web-0")
        await cluster.clock.advance(5)
    assert len(uids) == 3
    await until_quiet(cluster)
    (pod,) = (await pods(cluster)).values()
    assert pod["metadata"]["uid"] not in uids and pod["status"]["phase"] == "Running"


@on_nodes()
async def test_scale(cluster: Cluster) -> None:
    """As the entry "StatefulSet resource Replica scaling", with a node that is played."""
    await scenes.check_scale_subresource(cluster, "statefulset")


@on_nodes()
async def test_collection(cluster: Cluster) -> None:
    """As the entry "StatefulSet, list, patch and delete a collection of StatefulSets", with a node that is played."""
    sets = Verbs(cluster, "statefulset")
    await sets.create("patched", workload(app="patched"), labels={"e2e": "patched"})
    change = {"metadata": {"labels": {"test": "yes"}}, "spec": {"replicas": 2, **new_image("web:2")["spec"]}}
    patched = await sets.patch("patched", change, style="strategic")
    assert labels_of(patched) == {"e2e": "patched", "test": "yes"}
    found = await sets.read("patched")
    assert (found["spec"]["replicas"], image_of(found)) == (2, "web:2")
    await until_quiet(cluster)
    assert (await sets.read("patched"))["status"]["updatedReplicas"] == 2
    await sets.delete_collection("test=yes")
    await until_quiet(cluster)
    assert not await pods(cluster, "app=patched")
    await scenes.check_collection(cluster, "statefulset", stateful())


@on_nodes()
async def test_rolling_update(cluster: Cluster) -> None:
    """As the entry "StatefulSet, Rolling Update", with a node that is played."""
    sets = Verbs(cluster, "statefulset")
    await sets.create("web", stateful(3))
    await until_quiet(cluster)
    first = (await status(cluster))["currentRevision"]
    assert (await status(cluster))["updateRevision"] == first
    assert await revisions(cluster) == [first] * 3

    await sets.patch("web", new_image("web:2"), style="strategic")
    now = await status(cluster)
    assert now["currentRevision"] == first != now["updateRevision"]
    second = now["updateRevision"]
    assert await roll(cluster) == [["web-2"], ["web-1"], ["web-0"]], "one at a time, the highest first"
    assert await images(cluster) == ["web:2"] * 3 and await revisions(cluster) == [second] * 3
    now = await status(cluster)
    assert (now["currentRevision"], now["updateRevision"], now["updatedReplicas"]) == (second, second, 3)

    await sets.patch("web", new_image("web:1"), style="strategic")
    now = await status(cluster)
    assert (now["currentRevision"], now["updateRevision"]) == (second, first), "a rollback, not a new revision"
    assert await roll(cluster) == [["web-2"], ["web-1"], ["web-0"]]
    assert await images(cluster) == ["web:1"] * 3 and await revisions(cluster) == [first] * 3
    assert (await status(cluster))["currentRevision"] == first
    numbers = {each["metadata"]["name"]: each["revision"] for each in await cluster.list("controllerrevisions")}
    assert numbers == {second: 2, first: 3}, "what was gone back to is the newest again"


async def roll(cluster: Cluster) -> list[list[str]]:
    """Which pods end at the same time, step by step, until all have started anew."""
    steps = []
    for _ in range(20):
        if (ending := await going(cluster)) and ending not in steps:
            steps.append(ending)
        if not await run_pods(cluster):
            return steps
    raise AssertionError("it does not end")


@on_nodes()
async def test_partitions(cluster: Cluster) -> None:
    """As the entry "StatefulSet, Rolling Update with Partition", with a node that is played."""
    sets = Verbs(cluster, "statefulset")
    await sets.create("web", stateful(3, updateStrategy=partitioned(3)))
    await until_quiet(cluster)
    first = (await status(cluster))["currentRevision"]
    await sets.patch("web", new_image("web:2"), style="strategic")
    await until_quiet(cluster)
    assert await images(cluster) == ["web:1"] * 3, "no pod is above the partition"
    second = (await status(cluster))["updateRevision"]
    assert second != first == (await status(cluster))["currentRevision"]

    await sets.patch("web", {"spec": {"updateStrategy": partitioned(2)}})
    await until_quiet(cluster)
    assert await images(cluster) == ["web:1", "web:1", "web:2"], "a canary"
    assert await revisions(cluster) == [first, first, second]
    for name in ("web-0", "web-2"):
        await scenes.delete_pod(cluster, name)
    await until_quiet(cluster)
    assert await revisions(cluster) == [first, first, second], "restored as they were"

    for at, expected in ((1, [first, second, second]), (0, [second] * 3)):
        await sets.patch("web", {"spec": {"updateStrategy": partitioned(at)}})
        await until_quiet(cluster)
        assert await revisions(cluster) == expected
    now = await status(cluster)
    assert (now["currentRevision"], now["updateRevision"]) == (second, second)


@on_nodes()
async def test_status(cluster: Cluster) -> None:
    """As the entry "StatefulSet, status sub-resource", with a node that is played."""
    await scenes.check_status_subresource(cluster, "statefulset", stateful())
