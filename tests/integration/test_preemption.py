"""Preemption in a whole control plane: the room that is made is for whom it was made."""

from __future__ import annotations

import pytest

from integration.workloads import add_node, run_pods, until_quiet
from longboat.client.interface import Key
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster
from suites.objects import container, deployment, pod


def ranked(name: str, cpu: str, priority: str) -> Object:
    return pod(name, container(requests={"cpu": cpu}), priorityClassName=priority)


async def classes(cluster: Cluster, **values: int) -> None:
    for name, value in values.items():
        await cluster.client.create(cluster.kind("priorityclass"), {"metadata": {"name": name}, "value": value})


async def fill(cluster: Cluster, replicas: int) -> None:
    """A ReplicaSet that takes the whole node, and makes anew whatever it loses."""
    web = deployment(replicas=replicas)
    spec = web["spec"]["template"]["spec"]
    spec["priorityClassName"] = "low"
    spec["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    await cluster.apply(web)
    await until_quiet(cluster)


async def end_one(cluster: Cluster) -> None:
    """The next of the pods that are going has gone."""
    for found in await cluster.list("pods"):
        if found["metadata"].get("deletionTimestamp"):
            await cluster.client.delete(cluster.kind("pod"), Key("default", found["metadata"]["name"]), grace=0)
            await cluster.settle()
            return


async def preempted(cluster: Cluster) -> int:
    return sum(e["reason"] == "Preempted" for e in await cluster.list("events"))


async def test_the_victims_replacements_do_not_take_the_room(cluster: Cluster) -> None:
    await add_node(cluster, "a", cpu="4")
    await classes(cluster, low=1, high=1000)
    await fill(cluster, 4)
    await cluster.apply(ranked("vip", "2", "high"))
    await cluster.settle()
    assert (await cluster.get("pod/vip"))["status"]["nominatedNodeName"] == "a"
    for _ in range(40):
        await cluster.clock.advance(5)
        await end_one(cluster)
    assert (await cluster.get("pod/vip"))["spec"].get("nodeName") == "a"
    assert await preempted(cluster) == 2


@pytest.mark.parametrize("second", ["high", "higher"])
async def test_who_is_nominated_first_goes_first_among_equals(cluster: Cluster, second: str) -> None:
    """Another of the same priority waits; one that matters more takes the room, and the first looks again."""
    await add_node(cluster, "a", cpu="4")
    await classes(cluster, low=1, high=1000, higher=2000)
    await fill(cluster, 4)
    await cluster.apply(ranked("first", "3", "high"))
    await cluster.settle()
    await cluster.apply(ranked("second", "2", second))
    await cluster.settle()
    if second == "higher":
        assert "nominatedNodeName" not in (await cluster.get("pod/first"))["status"]
    for _ in range(40):
        await run_pods(cluster)
        await cluster.clock.advance(1)
    placed = {name: bool((await cluster.get(f"pod/{name}"))["spec"].get("nodeName")) for name in ("first", "second")}
    assert placed == {"first": second == "high", "second": second == "higher"}
    assert await preempted(cluster) == 3


async def test_the_room_of_a_nominated_pod_that_goes_is_given_away(cluster: Cluster) -> None:
    await add_node(cluster, "a", cpu="4")
    await classes(cluster, low=1, high=1000)
    await fill(cluster, 4)
    await cluster.apply(ranked("vip", "4", "high"))
    await cluster.settle()
    await cluster.delete("pod/vip")
    for _ in range(15):
        await run_pods(cluster)
        await cluster.clock.advance(1)
    pods = await cluster.list("pods", labels="app=web")
    assert len(pods) == 4 and all(p["spec"].get("nodeName") for p in pods)


async def test_a_nomination_in_the_status_counts(cluster: Cluster) -> None:
    """A scheduler that starts finds it there, and anybody may have made it."""
    await add_node(cluster, "a", cpu="4")
    high = {"metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"}
    await cluster.client.create(cluster.kind("priorityclass"), high)
    await classes(cluster, low=1)
    await cluster.apply(ranked("there", "2", "low"), ranked("vip", "3", "high"))
    await cluster.settle()
    await cluster.patch("pod/vip", {"status": {"nominatedNodeName": "a"}}, subresource="status")
    await cluster.settle()
    await cluster.apply(ranked("later", "2", "low"))
    await cluster.clock.advance(10)
    assert "nodeName" not in (await cluster.get("pod/later"))["spec"]
    await cluster.delete("pod/vip")
    await cluster.clock.advance(10)
    assert (await cluster.get("pod/later"))["spec"]["nodeName"] == "a"
