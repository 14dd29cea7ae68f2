"""VolumeAttachment (sig-storage)."""

from __future__ import annotations

from conformance.stage import inside
from conformance.verbs import Verbs, labels_of
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster


def body(node: str = "node-1") -> Object:
    source = {"persistentVolumeName": "pv-1"}
    return {"spec": {"attacher": "e2e.example.com", "source": source, "nodeName": node}}


@inside
async def test_lifecycle(cluster: Cluster) -> None:
    """Conformance: VolumeAttachment, lifecycle"""
    verbs = Verbs(cluster, "volumeattachment")
    await verbs.create("bystander", body())
    await verbs.create("first", body())
    assert (await verbs.read("first"))["metadata"]["name"] == "first"
    assert labels_of(await verbs.label("first", mark="patched")) == {"mark": "patched"}
    assert [each["metadata"]["name"] for each in await verbs.list("mark=patched")] == ["first"]
    await verbs.delete("first")
    assert await verbs.is_gone("first")
    for name in ("second", "third"):
        await verbs.create(name, body())
        assert labels_of(await verbs.relabel(name, mark="updated")) == {"mark": "updated"}
    await verbs.delete_collection("mark=updated")
    assert await verbs.is_gone("second")
    assert await verbs.is_gone("third")
    assert await verbs.list("mark=updated") == []
    assert await verbs.are_left("bystander")


@inside
async def test_status(cluster: Cluster) -> None:
    """Conformance: VolumeAttachment, apply changes to a volumeattachment status"""
    verbs = Verbs(cluster, "volumeattachment")
    await verbs.create("first", body())
    assert labels_of(await verbs.label("first", mark="patched")) == {"mark": "patched"}
    assert (await verbs.read("first", "status"))["status"]["attached"] is False
    patched = await verbs.patch("first", {"status": {"attached": True}}, subresource="status")
    assert patched["status"]["attached"] is True

    def detach(obj: Object) -> None:
        obj["status"]["attached"] = False

    assert (await verbs.update("first", detach, "status"))["status"]["attached"] is False
    assert (await verbs.read("first", "status"))["status"]["attached"] is False
    await verbs.delete("first")
    assert await verbs.is_gone("first")
