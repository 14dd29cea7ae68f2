"""StorageClass and VolumeAttributesClass (sig-storage)."""

from __future__ import annotations

from conformance.stage import inside
from conformance.verbs import Verbs, labels_of
from longboat.testing.cluster import Cluster


@inside
async def test_storage_class(cluster: Cluster) -> None:
    """Conformance: StorageClass, lifecycle"""
    classes, body = Verbs(cluster, "storageclass"), {"provisioner": "e2e.example.com"}
    await classes.create("bystander", body)
    await classes.create("first", body)
    assert (await classes.read("first"))["provisioner"] == "e2e.example.com"
    assert labels_of(await classes.label("first", mark="patched")) == {"mark": "patched"}
    assert labels_of(await classes.read("first")) == {"mark": "patched"}
    await classes.delete("first")
    assert await classes.is_gone("first")
    await classes.create("second", body)
    assert labels_of(await classes.relabel("second", mark="updated")) == {"mark": "updated"}
    await classes.delete_collection("mark=updated")
    assert await classes.is_gone("second")
    assert await classes.list("mark=updated") == []
    assert not await classes.is_gone("bystander")


@inside
async def test_volume_attributes_class(cluster: Cluster) -> None:
    """Conformance: VolumeAttributesClass, lifecycle"""
    classes = Verbs(cluster, "volumeattributesclass")
    body = {"driverName": "e2e.example.com", "parameters": {"iops": "100"}}
    await classes.create("bystander", body)
    await classes.create("first", body)
    assert (await classes.read("first"))["parameters"] == {"iops": "100"}
    assert labels_of(await classes.label("first", mark="patched")) == {"mark": "patched"}
    assert [each["metadata"]["name"] for each in await classes.list("mark=patched")] == ["first"]
    await classes.delete("first")
    assert await classes.is_gone("first")
    await classes.create("second", body)
    assert labels_of(await classes.relabel("second", mark="updated")) == {"mark": "updated"}
    await classes.delete_collection("mark=updated")
    assert await classes.is_gone("second")
    assert await classes.list("mark=updated") == []
    assert not await classes.is_gone("bystander")
