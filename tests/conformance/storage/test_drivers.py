"""CSIDriver, CSINode, CSIStorageCapacity, inline volumes (sig-storage)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from conformance.beside import beside
from conformance.node.pods import container, pod
from conformance.stage import inside
from conformance.verbs import Verbs, labels_of
from conformance.work import Work
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

DRIVER = {"spec": {"volumeLifecycleModes": ["Ephemeral"]}}


@inside
async def test_csi_driver(cluster: Cluster) -> None:
    """Conformance: CSIDriver, lifecycle"""
    drivers, ours = Verbs(cluster, "csidriver"), "e2e-test=ours"
    await drivers.create("one.example.com", DRIVER)
    await drivers.create("two.example.com", DRIVER)
    assert labels_of(await drivers.label("one.example.com", **{"e2e-test": "ours"})) == {"e2e-test": "ours"}
    assert labels_of(await drivers.relabel("two.example.com", **{"e2e-test": "ours"})) == {"e2e-test": "ours"}
    assert len(await drivers.list(ours)) == 2
    await drivers.delete("one.example.com")
    assert await drivers.is_gone("one.example.com")
    await drivers.delete_collection(ours)
    assert await drivers.is_gone("two.example.com")
    assert await drivers.list(ours) == []
    assert not await drivers.is_gone("local.longboat.dev"), "only what the selector names"


@inside
async def test_csi_node(cluster: Cluster) -> None:
    """Conformance: CSINode, lifecycle"""
    nodes = Verbs(cluster, "csinode")
    spec = {"spec": {"drivers": [{"name": "one.example.com", "nodeID": "n", "topologyKeys": ["zone"]}]}}
    await nodes.create("bystander", spec)
    await nodes.create("first", spec)
    assert (await nodes.read("first"))["metadata"]["name"] == "first"
    assert labels_of(await nodes.label("first", mark="patched")) == {"mark": "patched"}
    assert [each["metadata"]["name"] for each in await nodes.list("mark=patched")] == ["first"]
    await nodes.delete("first")
    assert await nodes.is_gone("first")
    await nodes.create("second", spec)
    assert (await nodes.read("second"))["metadata"]["name"] == "second"
    assert labels_of(await nodes.relabel("second", mark="updated")) == {"mark": "updated"}
    await nodes.delete_collection("mark=updated")
    assert await nodes.is_gone("second")
    assert await nodes.list("mark=updated") == []
    assert await nodes.are_left("bystander")


async def events(cluster: Cluster, verbs: Verbs, since: str, labels: str) -> AsyncIterator[tuple[str, Object]]:
    watch = cluster.client.watch(verbs.kind, since, namespace=verbs.namespace, labels=labels)
    async for event in watch:
        if event.type != "BOOKMARK":
            yield event.type, msgspec.json.decode(event.object)


@inside
async def test_csi_storage_capacity(cluster: Cluster) -> None:
    """Conformance: CSIStorageCapacity API"""
    groups: Any = msgspec.json.decode(await cluster.client.get_path("/apis"))
    (group,) = [g for g in groups["groups"] if g["name"] == "storage.k8s.io"]
    assert "storage.k8s.io/v1" in [version["groupVersion"] for version in group["versions"]]
    alone: Any = msgspec.json.decode(await cluster.client.get_path("/apis/storage.k8s.io"))
    assert "storage.k8s.io/v1" in [version["groupVersion"] for version in alone["versions"]]
    resources: Any = msgspec.json.decode(await cluster.client.get_path("/apis/storage.k8s.io/v1"))
    assert "csistoragecapacities" in [resource["name"] for resource in resources["resources"]]

    verbs, label = Verbs(cluster, "csistoragecapacity"), {"test": "ours"}
    await verbs.create("bystander", {"storageClassName": "fast"})
    for name in ("a", "b", "c"):
        created = await verbs.create(name, {"storageClassName": "fast"}, labels=label)
        assert (await verbs.read(name))["metadata"]["uid"] == created["metadata"]["uid"]
    found = await verbs.list("test=ours")
    assert len(found) == len(await verbs.list("test=ours", everywhere=True)) == 3
    since = (await cluster.client.list_page(verbs.kind, limit=0)).resource_version
    watch = events(cluster, verbs, since, "test=ours")
    patched = await verbs.patch("a", {"metadata": {"annotations": {"patched": "true"}}})
    assert patched["metadata"]["annotations"] == {"patched": "true"}
    kind, seen = await anext(watch)
    assert (kind, seen["metadata"]["annotations"]) == ("MODIFIED", {"patched": "true"})
    updated = await verbs.update("a", lambda obj: obj["metadata"]["annotations"].update(updated="true"))
    assert updated["metadata"]["annotations"] == {"patched": "true", "updated": "true"}
    kind, seen = await anext(watch)
    assert (kind, seen["metadata"]["annotations"]["updated"]) == ("MODIFIED", "true")
    await verbs.delete("a")
    assert await verbs.is_gone("a")
    kind, seen = await anext(watch)
    assert (kind, seen["metadata"]["name"]) == ("DELETED", "a")
    assert len(await verbs.list("test=ours")) == 2
    await verbs.delete_collection("test=ours")
    assert await verbs.list("test=ours") == []
    assert await verbs.are_left("bystander")
    await watch.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0)


@pytest.mark.containers
@beside
def test_inline_volumes(work: Work) -> None:
    """Conformance: CSIInlineVolumes should support Pods with inline volumes"""
    name = "inline.example.com"
    drivers = "/apis/storage.k8s.io/v1/csidrivers"
    names = {"kind": "CSIDriver", "apiVersion": "storage.k8s.io/v1", "metadata": {"name": name}}
    work.api.post(drivers, {**names, **DRIVER})
    volume = {"name": "v", "csi": {"driver": name, "readOnly": False}}
    main = container(volumeMounts=[{"name": "v", "mountPath": "/v"}])
    try:
        work.create(pod("p", main, labels={"test": "inline"}, volumes=[volume]), pod("bystander"))

        def inline(found: Object) -> Object:
            (there,) = [each["csi"] for each in found["spec"]["volumes"] if each["name"] == "v"]
            return dict(there)

        found = work.until("p", lambda pod: pod["spec"].get("nodeName"))  # there is nobody who could mount it
        assert inline(found) == volume["csi"] and found["status"]["phase"] == "Pending"
        assert list(work.every("test=inline")) == ["p"]
        patched = work.alter("Pod", "p", {"metadata": {"annotations": {"patched": "true"}}})
        assert patched["metadata"]["annotations"]["patched"] == "true" and inline(patched) == volume["csi"]
        work.delete("p")
        work.until_gone("p")
        assert list(work.every()) == ["bystander"]
    finally:
        work.api.ask("DELETE", f"{drivers}/{name}")
