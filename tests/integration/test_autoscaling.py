"""A Deployment follows its load, on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from longboat.api import kinds
from longboat.apiserver.resource_metrics import ResourceMetrics
from longboat.client.interface import Key
from longboat.controllers.autoscaling.views import Scaler
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster
from suites.objects import container, deployment

KEY = Key("default", "web")


Load = dict[str, int]
"""`milli`: what all pods together use of processors."""


def played(
    scene: Callable[[Cluster, Load], Awaitable[None]], *, replicas: int = 1, least: int = 1, milli: int,
    names: tuple[str, ...] = ("web",),
) -> None:  # fmt: skip
    """A Deployment with an autoscaler at half of the 300m its pods ask for. Only the node's figures are played."""
    load = {"milli": milli}

    async def main() -> None:
        async with asyncio.timeout(60), Cluster() as cluster:

            async def ask(node: Object) -> bytes:
                pods = await pods_of(cluster)
                each = {
                    "cpu": {"usageNanoCores": load["milli"] * 1_000_000 // max(len(pods), 1)},
                    "memory": {"workingSetBytes": 1},
                }
                told = [
                    {"podRef": {"namespace": "default", "name": name}, "containers": [{"name": "c", **each}]}
                    for name in pods
                ]
                return msgspec.json.encode({"node": each, "pods": told})

            metrics = ResourceMetrics(cluster.api.stores, ask, cluster.clock)
            cluster.api.dispatcher.answers[kinds.POD_METRICS, ""] = metrics.pods
            await cluster.client.create(kinds.NODE, {"metadata": {"name": "n"}})
            wanted = deployment("web", replicas, container(requests={"cpu": "300m"}))
            await cluster.client.create(kinds.DEPLOYMENT, wanted, namespace="default")
            await cluster.settle()
            await run_pods(cluster)
            await cluster.clock.advance(400)  # what pods use while they begin does not count
            target = {"type": "Utilization", "averageUtilization": 50}
            metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
            reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
            spec = {"scaleTargetRef": reference, "minReplicas": least, "maxReplicas": 6, "metrics": [metric]}
            for name in names:
                await cluster.client.create(kinds.HPA, {"metadata": {"name": name}, "spec": spec}, namespace="default")
            await scene(cluster, load)

    asyncio.run(main())


def test_replicas_follow_the_load() -> None:
    async def scene(cluster: Cluster, load: Load) -> None:
        for _ in range(30):
            await run_pods(cluster)
            await cluster.clock.advance(30)
        scaler = await cluster.client.get(Scaler, KEY)
        assert scaler.status.currentReplicas == 6  # 900m at 50 % of 300m each
        held = {c.type: (c.status, c.reason) for c in scaler.status.conditions}
        assert held["ScalingActive"] == ("True", "ValidMetricFound")
        load["milli"] = 150
        await cluster.clock.advance(280)
        assert len(await pods_of(cluster)) == 6  # five minutes' patience before it comes down
        await cluster.clock.advance(120)
        assert len(await pods_of(cluster)) == 1

    played(scene, milli=900)


def test_a_new_autoscaler_has_patience_too() -> None:
    async def scene(cluster: Cluster, load: Load) -> None:
        await cluster.clock.advance(280)
        assert len(await pods_of(cluster)) == 4
        scaler = await cluster.client.get(Scaler, KEY)
        assert {c.type: c.reason for c in scaler.status.conditions}["AbleToScale"] == "ScaleDownStabilized"
        await cluster.clock.advance(60)
        assert len(await pods_of(cluster)) == 2

    played(scene, replicas=4, least=2, milli=40)


def test_two_autoscalers_of_the_same_pods_scale_nothing_until_one_goes() -> None:
    """Whatever each of them points at: here the Deployment, and its ReplicaSet."""

    async def active(cluster: Cluster, name: str) -> tuple[str, str, str]:
        scaler = await cluster.client.get(Scaler, Key("default", name))
        (found,) = (c for c in scaler.status.conditions if c.type == "ScalingActive")
        return found.status, found.reason, found.message

    async def scene(cluster: Cluster, load: Load) -> None:
        await cluster.clock.advance(60)
        text = "pods by selector app=web are controlled by multiple HPAs: [default/one default/two]"
        for name in ("one", "two"):
            assert await active(cluster, name) == ("False", "AmbiguousSelector", text)
            events = await events_of(cluster, name)
            assert ("Warning", "AmbiguousSelector", text) in events
            assert ("Warning", "FailedComputeMetricsReplicas", text) in events
            assert "SuccessfulRescale" not in {reason for _, reason, _ in events}
        assert len(await pods_of(cluster)) == 1
        await cluster.client.delete(kinds.HPA, Key("default", "two"))
        for _ in range(4):
            await cluster.clock.advance(15)
            await run_pods(cluster)
        assert (await active(cluster, "one"))[:2] == ("True", "ValidMetricFound")
        assert len(before := await pods_of(cluster)) > 1
        owned = (await cluster.client.list_page(kinds.REPLICA_SET, namespace="default")).items[0]
        replica_set = msgspec.json.decode(owned)["metadata"]["name"]
        reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": replica_set}
        other = {"scaleTargetRef": reference, "minReplicas": 1, "maxReplicas": 6}
        await cluster.client.create(kinds.HPA, {"metadata": {"name": "low"}, "spec": other}, namespace="default")
        await cluster.clock.advance(40)
        for name in ("one", "low"):
            assert (await active(cluster, name))[1] == "AmbiguousSelector"
        assert len(await pods_of(cluster)) == len(before)

    played(scene, milli=900, names=("one", "two"))


async def events_of(cluster: Cluster, name: str) -> set[tuple[str, str, str]]:
    page = await cluster.client.list_page(kinds.EVENT, namespace="default")
    found = [msgspec.json.decode(raw) for raw in page.items]
    return {(e["type"], e["reason"], e["note"]) for e in found if e["regarding"]["name"] == name}


async def pods_of(cluster: Cluster) -> list[str]:
    page = await cluster.client.list_page(kinds.POD, namespace="default")
    return [msgspec.json.decode(raw)["metadata"]["name"] for raw in page.items]


async def run_pods(cluster: Cluster) -> None:
    """What a node would do: let every pod run."""
    now = cluster.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    page = await cluster.client.list_page(kinds.POD, namespace="default")
    for raw in page.items:
        pod = msgspec.json.decode(raw)
        if pod.get("status", {}).get("phase") == "Running":
            continue
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
        status = {"phase": "Running", "startTime": now, "conditions": [ready]}
        await cluster.client.patch(
            kinds.POD, Key("default", pod["metadata"]["name"]), {"status": status}, subresource="status"
        )
    await cluster.settle()
