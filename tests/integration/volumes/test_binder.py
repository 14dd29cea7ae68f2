"""The persistent volume binder in a whole control plane."""

from __future__ import annotations

import pytest

from integration.volumes.objects import claim, phases, storage_class, told, volume
from longboat.api import storage
from longboat.controllers.volumes.binder import PersistentVolumeBinder
from longboat.controllers.volumes.steps import VolumePhase
from longboat.testing.cluster import Cluster


async def test_a_claim_and_a_volume_find_each_other(cluster: Cluster) -> None:
    await cluster.apply(claim())
    await cluster.settle()
    assert (await cluster.get("pvc/data"))["status"]["phase"] == "Pending"
    what = "no persistent volumes available for this claim and no storage class is set"
    assert await told(cluster, "FailedBinding") == [what]
    await cluster.apply(volume("big", "5Gi"), volume())
    await cluster.settle()
    assert await phases(cluster) == ("Bound", "Bound")
    found, held = await cluster.get("pvc/data"), await cluster.get("pv/v")
    assert found["spec"]["volumeName"] == "v"
    assert found["status"] == {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    assert found["metadata"]["annotations"] == {storage.BIND_COMPLETED: "yes", storage.BOUND_BY_CONTROLLER: "yes"}
    ref = held["spec"]["claimRef"]
    assert (ref["kind"], ref["namespace"], ref["name"]) == ("PersistentVolumeClaim", "default", "data")
    assert ref["uid"] == found["metadata"]["uid"]
    assert held["metadata"]["annotations"] == {storage.BOUND_BY_CONTROLLER: "yes"}
    assert (await cluster.get("pv/big"))["status"]["phase"] == "Available"


async def test_each_volume_goes_to_one_claim(cluster: Cluster) -> None:
    await cluster.apply(*(volume(f"v{i}", f"{i + 1}Gi") for i in range(6)))
    await cluster.settle()
    await cluster.apply(*(claim(f"c{i}") for i in range(6)))
    await cluster.settle()
    holders = [v["spec"]["claimRef"]["name"] for v in await cluster.list("pv")]
    assert sorted(holders) == [f"c{i}" for i in range(6)]
    assert {c["status"]["phase"] for c in await cluster.list("pvc")} == {"Bound"}


async def test_a_released_volume_is_kept_and_given_to_nobody(cluster: Cluster) -> None:
    await cluster.apply(volume(), claim())
    await cluster.settle()
    before = (await cluster.get("pv/v"))["spec"]["claimRef"]["uid"]
    await cluster.delete("pvc/data")
    await cluster.settle()
    assert (await cluster.get("pv/v"))["status"]["phase"] == "Released"
    await cluster.apply(claim())
    await cluster.settle()
    assert await phases(cluster) == ("Pending", "Released")
    assert (await cluster.get("pv/v"))["spec"]["claimRef"]["uid"] == before
    await cluster.patch("pv/v", {"spec": {"claimRef": None}})
    await cluster.settle()
    assert await phases(cluster) == ("Bound", "Bound"), "freed by hand, it is taken again"


async def test_a_reservation_binds_to_its_claim_alone(cluster: Cluster) -> None:
    await cluster.apply(volume(claimRef={"namespace": "default", "name": "data"}))
    await cluster.settle()
    await cluster.apply(claim("other"), claim("data"))
    await cluster.settle()
    assert await phases(cluster) == ("Bound", "Bound")
    assert (await cluster.get("pvc/other"))["status"]["phase"] == "Pending"
    assert storage.BOUND_BY_CONTROLLER not in (await cluster.get("pv/v"))["metadata"].get("annotations", {})


async def test_a_claim_whose_volume_disappears_is_lost(cluster: Cluster) -> None:
    await cluster.apply(volume(), claim())
    await cluster.settle()
    await cluster.delete("pv/v")
    if await cluster.exists("pv/v"):  # protected: only force takes it from its claim
        await cluster.patch("pv/v", {"metadata": {"finalizers": None}})
    await cluster.settle()
    assert (await cluster.get("pvc/data"))["status"] == {"phase": "Lost"}
    assert await told(cluster, "ClaimLost") == [
        "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    ]


async def test_a_default_class_that_comes_later_reaches_waiting_claims(cluster: Cluster) -> None:
    for found in await cluster.list("sc"):
        await cluster.delete(f"sc/{found['metadata']['name']}")
    await cluster.apply(claim(storage_class=None), claim("without", storage_class=""))
    await cluster.settle()
    await cluster.apply(storage_class("late", annotations={storage.DEFAULT_CLASS[0]: "true"}))
    await cluster.settle()
    found = await cluster.get("pvc/data")
    assert found["spec"]["storageClassName"] == "late"
    assert found["metadata"]["annotations"][storage.STORAGE_PROVISIONER] == "example.com/disk"
    assert (await cluster.get("pvc/without"))["spec"]["storageClassName"] == ""
    (waits,) = await told(cluster, "ExternalProvisioning")
    assert waits.startswith("Waiting for a volume to be created either by the external provisioner 'example.com/disk'")


async def test_nothing_is_written_when_nothing_changed(cluster: Cluster) -> None:
    await cluster.apply(volume(), claim(), claim("waits", storage_class="none"))
    await cluster.settle()
    versions = [o["metadata"]["resourceVersion"] for k in ("pv", "pvc") for o in await cluster.list(k)]
    await cluster.clock.advance(3600)
    await cluster.settle()
    assert versions == [o["metadata"]["resourceVersion"] for k in ("pv", "pvc") for o in await cluster.list(k)]


@pytest.mark.parametrize("policy", ["Delete", "Recycle"])
async def test_what_nobody_can_reclaim_fails_and_stays(cluster: Cluster, policy: str) -> None:
    await cluster.apply(volume(persistentVolumeReclaimPolicy=policy), claim())
    await cluster.settle()
    await cluster.delete("pvc/data")
    await cluster.settle()
    assert (await cluster.get("pv/v"))["status"]["phase"] == "Failed"


async def test_nothing_is_released_on_the_word_of_a_copy(cluster: Cluster) -> None:
    await cluster.apply(volume(), claim())
    await cluster.settle()
    (binder,) = [c for c in cluster.manager.controllers if isinstance(c, PersistentVolumeBinder)]
    held = binder.volume("v")
    assert held is not None
    await binder._hands.perform(VolumePhase(held, "Released"))  # as if the copy had not seen the claim yet
    assert await phases(cluster) == ("Bound", "Bound")
