"""PersistentVolumes and their claims (sig-storage)."""

from __future__ import annotations

from typing import Any

from conformance.stage import inside
from conformance.verbs import Verbs, labels_of
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

PHASES = {"Pending", "Available", "Bound", "Released", "Failed", "Lost"}


def volume(**spec: Any) -> Object:
    return {
        "spec": {
            "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "e2e",
            "persistentVolumeReclaimPolicy": "Retain",
            "csi": {"driver": "e2e.example.com", "volumeHandle": "h"}, **spec,
        }
    }  # fmt: skip


CLAIM: Object = {
    "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "e2e", "resources": {"requests": {"storage": "2Gi"}},
    }
}  # fmt: skip


@inside
async def test_lifecycle(cluster: Cluster) -> None:
    """Conformance: PersistentVolumes(Claims), lifecycle"""
    volumes, claims = Verbs(cluster, "pv"), Verbs(cluster, "pvc")
    await volumes.create("bystander", volume(capacity={"storage": "1Gi"}))
    await claims.create("bystander", {"spec": CLAIM["spec"] | {"storageClassName": "other"}})
    await volumes.create("pv-1", volume(), labels={"e2e": "ours"})
    await claims.create("pvc-1", CLAIM, labels={"e2e": "ours"})
    assert [each["metadata"]["name"] for each in await volumes.list("e2e=ours")] == ["pv-1"]
    assert [each["metadata"]["name"] for each in await claims.list()] == ["bystander", "pvc-1"]
    assert labels_of(await volumes.label("pv-1", mark="patched"))["mark"] == "patched"
    assert labels_of(await claims.label("pvc-1", mark="patched"))["mark"] == "patched"
    volume_uid, claim_uid = [(await v.read(n))["metadata"]["uid"] for v, n in ((volumes, "pv-1"), (claims, "pvc-1"))]
    assert volume_uid != claim_uid
    await claims.delete("pvc-1")
    assert await claims.is_gone("pvc-1")
    await volumes.delete("pv-1")
    assert await volumes.is_gone("pv-1")
    await volumes.create("pv-2", volume())
    await claims.create("pvc-2", CLAIM)
    assert (await volumes.read("pv-2"))["metadata"]["uid"] != volume_uid
    assert (await claims.read("pvc-2"))["metadata"]["uid"] != claim_uid
    assert labels_of(await volumes.relabel("pv-2", mark="updated"))["mark"] == "updated"
    assert labels_of(await claims.relabel("pvc-2", mark="updated"))["mark"] == "updated"
    await claims.delete_collection("mark=updated")
    assert await claims.is_gone("pvc-2")
    await volumes.delete_collection("mark=updated")
    assert await volumes.is_gone("pv-2")
    assert await claims.are_left("bystander")
    assert await volumes.are_left("bystander")


def condition(reason: str) -> Object:
    return {"type": "StatusPatched", "status": "True", "reason": reason, "message": "by the suite"}


@inside
async def test_status(cluster: Cluster) -> None:
    """Conformance: PersistentVolumes(Claims), apply changes to a pv/pvc status"""
    volumes, claims = Verbs(cluster, "pv"), Verbs(cluster, "pvc")
    await volumes.create("bystander", volume(capacity={"storage": "1Gi"}))
    await cluster.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "elsewhere"}})
    await Verbs(cluster, "pvc", "elsewhere").create("bystander", CLAIM)
    await volumes.create("pv-1", volume(), labels={"e2e": "ours"})
    await claims.create("pvc-1", CLAIM)
    assert [each["metadata"]["name"] for each in await volumes.list("e2e=ours")] == ["pv-1"]
    assert [each["metadata"]["name"] for each in await claims.list()] == ["pvc-1"]
    assert (await claims.read("pvc-1", "status"))["status"]["phase"] in PHASES
    assert (await volumes.read("pv-1", "status"))["status"]["phase"] in PHASES
    patch = {"status": {"conditions": [condition("E2E patched")]}}
    patched = await claims.patch("pvc-1", patch, style="strategic", subresource="status")
    assert [c["reason"] for c in patched["status"]["conditions"]] == ["E2E patched"]
    patch = {"status": {"message": "patched", "reason": "E2E patchStatus"}}
    patched = await volumes.patch("pv-1", patch, subresource="status")
    assert (patched["status"]["message"], patched["status"]["reason"]) == ("patched", "E2E patchStatus")

    def add_condition(obj: Object) -> None:
        obj["status"]["conditions"].append({**condition("E2E updated"), "type": "StatusUpdated"})

    def say(obj: Object) -> None:
        obj["status"].update(message="updated", reason="E2E updateStatus")

    updated = await claims.update("pvc-1", add_condition, "status")
    assert "E2E updated" in [c["reason"] for c in updated["status"]["conditions"]]
    updated = await volumes.update("pv-1", say, "status")
    assert (updated["status"]["message"], updated["status"]["reason"]) == ("updated", "E2E updateStatus")
