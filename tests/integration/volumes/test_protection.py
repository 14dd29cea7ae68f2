"""Claims stay while pods use them, volumes while they are bound; ephemeral claims go with their pods."""

from __future__ import annotations

from typing import Any

from integration.volumes.objects import claim, phases, using, volume
from longboat.api import kinds
from longboat.client.interface import Key
from longboat.testing.cluster import Cluster


def ephemeral(name: str = "scratch", **template: Any) -> dict[str, Any]:
    asked = {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}
    return {"name": name, "ephemeral": {"volumeClaimTemplate": {"spec": asked, **template}}}


async def test_a_claim_in_use_stays_until_its_pod_has_gone(cluster: Cluster) -> None:
    await cluster.apply(claim(), volume())
    await cluster.apply(using("p", "data", nodeName="n"))
    await cluster.settle()
    assert (await cluster.get("pvc/data"))["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    await cluster.delete("pvc/data")
    await cluster.settle()
    assert (await cluster.get("pvc/data"))["metadata"]["deletionTimestamp"]
    assert await phases(cluster) == ("Bound", "Bound")
    await cluster.client.delete(kinds.POD, Key("default", "p"), grace=0)
    await cluster.settle()
    assert not await cluster.exists("pvc/data")
    assert (await cluster.get("pv/v"))["status"]["phase"] == "Released"


async def test_a_pod_without_a_node_keeps_nothing(cluster: Cluster) -> None:
    await cluster.apply(claim(), using("p", "data"))
    await cluster.settle()
    await cluster.delete("pvc/data")
    await cluster.settle()
    assert not await cluster.exists("pvc/data")


async def test_a_bound_volume_stays_until_its_claim_has_gone(cluster: Cluster) -> None:
    await cluster.apply(claim(), volume())
    await cluster.settle()
    assert (await cluster.get("pv/v"))["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    await cluster.delete("pv/v")
    await cluster.settle()
    assert await phases(cluster) == ("Bound", "Bound")
    await cluster.delete("pvc/data")
    await cluster.settle()
    assert not await cluster.exists("pv/v")


async def test_what_was_made_unprotected_is_protected_all_the_same(cluster: Cluster) -> None:
    await cluster.apply(volume())
    await cluster.patch("pv/v", {"metadata": {"$deleteFromPrimitiveList/finalizers": ["kubernetes.io/pv-protection"]}})
    await cluster.settle()
    assert (await cluster.get("pv/v"))["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]


async def test_an_ephemeral_volume_gets_a_claim_that_goes_with_its_pod(cluster: Cluster) -> None:
    wanted = using("p", volumes=[ephemeral(metadata={"labels": {"a": "b"}})])
    await cluster.apply(wanted)
    await cluster.settle()
    found = await cluster.get("pvc/p-scratch")
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Pod", "p", True)
    assert owner["uid"] == (await cluster.get("pod/p"))["metadata"]["uid"]
    assert found["metadata"]["labels"] == {"a": "b"}
    await cluster.delete("pvc/p-scratch")
    await cluster.settle()
    assert (await cluster.get("pvc/p-scratch"))["metadata"]["uid"] != found["metadata"]["uid"], "made anew"
    await cluster.delete("pod/p")
    await cluster.settle()
    await cluster.clock.advance(60)
    assert not await cluster.exists("pvc/p-scratch")


async def test_an_ephemeral_volume_takes_nobody_elses_claim(cluster: Cluster) -> None:
    await cluster.apply(claim("p-scratch"))
    before = await cluster.get("pvc/p-scratch")
    await cluster.apply(using("p", volumes=[ephemeral()]))
    await cluster.settle()
    assert (await cluster.get("pvc/p-scratch"))["metadata"]["uid"] == before["metadata"]["uid"]
    assert "ownerReferences" not in (await cluster.get("pvc/p-scratch"))["metadata"]


async def test_an_attributes_class_stays_while_it_is_named(cluster: Cluster) -> None:
    gold = {"kind": "VolumeAttributesClass", "metadata": {"name": "gold"}, "driverName": "disk.example.com",
            "parameters": {"iops": "5"}}  # fmt: skip
    await cluster.apply(gold, claim(volumeAttributesClassName="gold"))
    await cluster.settle()
    assert (await cluster.get("vac/gold"))["metadata"]["finalizers"] == ["kubernetes.io/vac-protection"]
    await cluster.delete("vac/gold")
    await cluster.settle()
    assert (await cluster.get("vac/gold"))["metadata"]["deletionTimestamp"]
    await cluster.delete("pvc/data")
    await cluster.settle()
    assert not await cluster.exists("vac/gold")
    await cluster.apply(gold)
    await cluster.settle()
    await cluster.delete("vac/gold")  # nobody names it
    await cluster.settle()
    assert not await cluster.exists("vac/gold")
