"""A node that is lost for good: whoever taints it out-of-service lets its pods and volumes go elsewhere (KEP-2268)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.test_statefulsets import stateful_set
from integration.volumes.driver import Driver, add_driver_node
from integration.volumes.objects import storage_class
from integration.workloads import run_pods
from longboat.client.interface import Key
from longboat.machinery.objects import Object, micro_timestamp
from longboat.testing.cluster import Cluster

DRIVER = "disk.example.com"
OUT_OF_SERVICE: Object = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}


async def beat(cluster: Cluster, *names: str) -> None:
    """The nodes that live say so."""
    for name in names:
        now = micro_timestamp(cluster.clock.now())
        await cluster.apply(
            {"kind": "Lease", "metadata": {"name": name, "namespace": "kube-node-lease"},
             "spec": {"holderIdentity": name, "renewTime": now}}
        )  # fmt: skip


async def pass_time(cluster: Cluster, seconds: int, *living: str) -> None:
    for _ in range(seconds // 10):
        await cluster.clock.advance(10)
        await beat(cluster, *living)


async def taint(cluster: Cluster, name: str, *taints: Object) -> None:
    found = await cluster.get(f"node/{name}")
    kept = [t for t in found["spec"].get("taints") or () if t["key"] != OUT_OF_SERVICE["key"]]
    patch = {"spec": {"taints": [*kept, *taints]}}
    await cluster.client.patch(cluster.kind("node"), Key("", name), patch)
    await cluster.settle()


@pytest.mark.parametrize("given_up", [True, False])
async def test_a_stateful_set_moves_with_its_volume_once_its_node_is_given_up(cluster: Cluster, given_up: bool) -> None:
    driver = Driver(DRIVER, "CREATE_DELETE_VOLUME", "PUBLISH_UNPUBLISH_VOLUME")
    driver.plug_into(cluster)
    for name in ("a", "b"):
        await add_driver_node(cluster, name, DRIVER, topologyKeys=[])
    await beat(cluster, "a", "b")
    db = stateful_set(replicas=1)
    db["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] = "disk"
    await cluster.apply(storage_class("disk", DRIVER), db)
    await pass_time(cluster, 20, "a", "b")
    await run_pods(cluster)
    pod = await cluster.get("pod/db-0")
    dead, living = pod["spec"]["nodeName"], ({"a", "b"} - {pod["spec"]["nodeName"]}).pop()
    handle = driver.made("ControllerPublishVolume")[0]["volumeId"]
    mounted = {"volumesInUse": [f"kubernetes.io/csi/{DRIVER}^{handle}"]}
    await cluster.patch(f"node/{dead}", {"status": mounted}, subresource="status")
    await pass_time(cluster, 60, living)
    if given_up:
        await taint(cluster, dead, OUT_OF_SERVICE)
    else:
        await cluster.delete("pod/db-0")
    await pass_time(cluster, 60, living)
    now: Any = await cluster.get("pod/db-0")
    if not given_up:
        assert now["metadata"]["uid"] == pod["metadata"]["uid"]  # it may be running there still
        return
    assert now["metadata"]["uid"] != pod["metadata"]["uid"]
    assert now["spec"]["nodeName"] == living
    assert {node for _, node in driver.attached} == {f"id-{living}"}


async def test_a_node_that_is_ready_is_not_given_up_whatever_its_taints(cluster: Cluster) -> None:
    await add_driver_node(cluster, "a", DRIVER)
    await cluster.apply({"kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "nodeName": "a", "containers": [{"name": "c", "image": "i"}]}})  # fmt: skip
    await beat(cluster, "a")
    await taint(cluster, "a", OUT_OF_SERVICE)
    await pass_time(cluster, 60, "a")
    assert (await cluster.get("pod/p"))["metadata"]["deletionTimestamp"]  # its node will end it, with its grace
    assert await disrupted(cluster, "p") == ("DeletionByTaintManager", 1)


async def test_a_pod_that_is_held_is_told_that_its_node_is_gone(cluster: Cluster) -> None:
    await add_driver_node(cluster, "a", DRIVER)
    await cluster.apply({"kind": "Pod", "metadata": {"name": "p", "finalizers": ["example.com/held"]}, "spec": {
        "nodeName": "a", "containers": [{"name": "c", "image": "i"}]}})  # fmt: skip
    await cluster.delete("node/a")
    await pass_time(cluster, 120)
    assert (await cluster.get("pod/p"))["status"]["phase"] == "Failed"
    assert await disrupted(cluster, "p") == ("DeletionByPodGC", 1)


async def disrupted(cluster: Cluster, name: str) -> tuple[str, int]:
    """Why, and of which generation that is said: of the one before it was to go."""
    status = (await cluster.get(f"pod/{name}"))["status"]
    (told,) = [each for each in status["conditions"] if each["type"] == "DisruptionTarget"]
    return told["reason"], told["observedGeneration"]
