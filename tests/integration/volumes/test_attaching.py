"""Volumes that are attached to the nodes that use them, and detached when nobody does."""

from __future__ import annotations

from typing import Any

from integration.volumes.driver import Driver, add_driver_node
from integration.volumes.objects import claim, storage_class, told, using
from longboat.api import kinds
from longboat.client.interface import Key
from longboat.testing.cluster import Cluster

DRIVER = "disk.example.com"


async def prepare(cluster: Cluster, *capabilities: str, modes: Any = ("ReadWriteOnce",)) -> Driver:
    """Two nodes with a driver that attaches, and a bound claim."""
    driver = Driver(DRIVER, *(capabilities or ("CREATE_DELETE_VOLUME", "PUBLISH_UNPUBLISH_VOLUME")))
    driver.plug_into(cluster)
    for name in ("a", "b"):
        await add_driver_node(cluster, name, DRIVER, topologyKeys=[])
    await cluster.apply(storage_class("disk", DRIVER), claim(storage_class="disk", accessModes=list(modes)))
    await cluster.settle()
    return driver


async def run(cluster: Cluster, name: str, node: str) -> None:
    await cluster.apply(using(name, "data", nodeName=node))
    await cluster.settle()


async def end(cluster: Cluster, name: str) -> None:
    await cluster.client.delete(kinds.POD, Key("default", name), grace=0)
    await cluster.settle()


async def test_a_volume_is_attached_where_its_pod_runs(cluster: Cluster) -> None:
    driver = await prepare(cluster)
    await run(cluster, "p", "a")
    (found,) = await cluster.list("volumeattachments")
    (volume,) = await cluster.list("pv")
    name = volume["metadata"]["name"]
    assert found["spec"] == {"attacher": DRIVER, "nodeName": "a", "source": {"persistentVolumeName": name}}
    assert found["status"] == {"attached": True, "attachmentMetadata": {"device": "/dev/x"}}
    assert found["metadata"]["finalizers"] == ["external-attacher/disk-example-com"]
    assert "external-attacher/disk-example-com" in volume["metadata"]["finalizers"]
    (asked,) = driver.made("ControllerPublishVolume")
    assert (asked["volumeId"], asked["nodeId"]) == (volume["spec"]["csi"]["volumeHandle"], "id-a")
    listed = (await cluster.get("node/a"))["status"]["volumesAttached"]
    assert [each["name"] for each in listed] == [f"kubernetes.io/csi/{DRIVER}^{asked['volumeId']}"]
    assert await told(cluster, "SuccessfulAttachVolume") == [f'AttachVolume.Attach succeeded for volume "{name}" ']


async def test_it_is_detached_when_the_last_pod_has_gone(cluster: Cluster) -> None:
    driver = await prepare(cluster)
    await run(cluster, "p", "a")
    await run(cluster, "q", "a")
    await end(cluster, "p")
    assert driver.attached
    await end(cluster, "q")
    assert not driver.attached
    assert not await cluster.list("volumeattachments")
    assert not (await cluster.get("node/a"))["status"].get("volumesAttached")


async def test_what_is_still_mounted_is_not_detached(cluster: Cluster) -> None:
    driver = await prepare(cluster)
    await run(cluster, "p", "a")
    handle = driver.made("ControllerPublishVolume")[0]["volumeId"]
    mounted = {"volumesInUse": [f"kubernetes.io/csi/{DRIVER}^{handle}"]}
    await cluster.patch("node/a", {"status": mounted}, subresource="status")
    await end(cluster, "p")
    await cluster.clock.advance(30)
    assert driver.attached, "the node is alive: it will say when it is done"
    await cluster.patch("node/a", {"status": {"volumesInUse": None}}, subresource="status")
    await cluster.settle()
    assert not driver.attached


async def test_a_node_that_is_dead_is_not_waited_for_for_ever(cluster: Cluster) -> None:
    driver = await prepare(cluster)
    await run(cluster, "p", "a")
    handle = driver.made("ControllerPublishVolume")[0]["volumeId"]
    mounted = {"volumesInUse": [f"kubernetes.io/csi/{DRIVER}^{handle}"]}
    await cluster.patch("node/a", {"status": mounted}, subresource="status")
    await end(cluster, "p")
    await cluster.clock.advance(300)  # nobody renews its lease: it is not ready
    assert driver.attached
    await cluster.clock.advance(100)
    assert not driver.attached


async def test_an_exclusive_volume_waits_for_the_other_node(cluster: Cluster) -> None:
    driver = await prepare(cluster)
    name = (await cluster.list("pv"))[0]["metadata"]["name"]
    await run(cluster, "p", "a")
    await run(cluster, "q", "b")
    assert len(driver.attached) == 1
    assert await told(cluster, "FailedAttachVolume") == [
        f'Multi-Attach error for volume "{name}" Volume is already used by pod(s) p'
    ]
    await end(cluster, "p")
    assert {node for _, node in driver.attached} == {"id-b"}


async def test_a_shared_volume_is_attached_everywhere(cluster: Cluster) -> None:
    driver = await prepare(cluster, modes=("ReadWriteMany",))
    await run(cluster, "p", "a")
    await run(cluster, "q", "b")
    assert {node for _, node in driver.attached} == {"id-a", "id-b"}


async def test_a_driver_without_anything_to_attach_counts_as_attached(cluster: Cluster) -> None:
    driver = await prepare(cluster, "CREATE_DELETE_VOLUME")
    await run(cluster, "p", "a")
    assert (await cluster.list("volumeattachments"))[0]["status"] == {"attached": True}
    assert not driver.made("ControllerPublishVolume")
    await end(cluster, "p")
    assert not await cluster.list("volumeattachments")


async def test_a_failure_is_told_and_tried_again(cluster: Cluster) -> None:
    driver = await prepare(cluster)
    driver.fail["ControllerPublishVolume"] = ("INTERNAL", "no slot")
    await run(cluster, "p", "a")
    (found,) = await cluster.list("volumeattachments")
    assert found["status"]["attached"] is False
    assert found["status"]["attachError"]["message"] == "rpc error: code = Internal desc = no slot"
    (said,) = await told(cluster, "FailedAttachVolume")
    assert said.startswith("AttachVolume.Attach failed for volume")
    driver.fail.clear()
    await cluster.clock.advance(10)
    (found,) = await cluster.list("volumeattachments")
    assert found["status"] == {"attached": True, "attachmentMetadata": {"device": "/dev/x"}}


async def test_a_volume_is_not_deleted_while_it_is_attached(cluster: Cluster) -> None:
    driver = await prepare(cluster)
    await run(cluster, "p", "a")
    driver.fail["ControllerUnpublishVolume"] = ("INTERNAL", "stuck")
    await cluster.delete("pvc/data")
    await end(cluster, "p")
    assert driver.volumes
    assert not driver.made("DeleteVolume")
    driver.fail.clear()
    await cluster.clock.advance(60)
    assert not driver.volumes
    assert not await cluster.list("pv")


async def test_attachments_of_others_are_let_be(cluster: Cluster) -> None:
    await prepare(cluster)
    name = (await cluster.list("pv"))[0]["metadata"]["name"]
    theirs = {
        "kind": "VolumeAttachment",
        "apiVersion": "storage.k8s.io/v1",
        "metadata": {"name": "theirs"},
        "spec": {"attacher": "other.example.com", "nodeName": "a", "source": {"persistentVolumeName": name}},
    }
    await cluster.apply(theirs)
    await cluster.settle()
    await cluster.clock.advance(1000)
    found = await cluster.get("volumeattachment/theirs")
    assert found["status"] == {"attached": False}


async def test_the_built_in_driver_attaches_nothing(cluster: Cluster) -> None:
    driver = Driver()
    driver.plug_into(cluster)
    await add_driver_node(cluster, "a")
    await cluster.apply(claim(storage_class=None), using("p", "data"))
    await cluster.settle()
    assert (await cluster.get("pod/p"))["spec"]["nodeName"] == "a"
    assert not await cluster.list("volumeattachments")
