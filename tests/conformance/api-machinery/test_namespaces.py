"""Namespaces and what becomes of what is in them (sig-api-machinery)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.client.interface import Key
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

CONDITION = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Updated by an e2e test"}


@inside
async def test_patching(cluster: Cluster) -> None:
    """Conformance: Namespace patching"""
    namespaces = Verbs(cluster, "namespace")
    await namespaces.create("patched", {})
    await namespaces.label("patched", testLabel="testValue")
    assert (await namespaces.read("patched"))["metadata"]["labels"]["testLabel"] == "testValue"


@inside
async def test_update(cluster: Cluster) -> None:
    """Conformance: Namespace, apply update to a namespace"""
    namespaces = Verbs(cluster, "namespace")
    await namespaces.create("updated", {})
    updated = await namespaces.relabel("updated", updated="ns-updated")
    assert updated["metadata"]["labels"] == {"kubernetes.io/metadata.name": "updated", "updated": "ns-updated"}
    assert await namespaces.read("updated") == updated


@inside
async def test_status(cluster: Cluster) -> None:
    """Conformance: Namespace, apply changes to a namespace status"""
    namespaces = Verbs(cluster, "namespace")
    await namespaces.create("changed", {})
    assert (await namespaces.read("changed", "status"))["status"] == {"phase": "Active"}

    noted = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "Patched by an e2e test"}
    patch = {"metadata": {"annotations": {"patched": "true"}}, "status": {"conditions": [noted]}}
    patched = await namespaces.patch("changed", patch, subresource="status")
    assert patched["metadata"]["annotations"] == {"patched": "true"}
    (found,) = patched["status"]["conditions"]
    assert found == {**noted, "lastTransitionTime": None}, "as upstream writes a time that nobody gave"

    updated = await namespaces.update("changed", lambda obj: obj["status"]["conditions"].append(CONDITION), "status")
    assert [each["type"] for each in updated["status"]["conditions"]] == ["StatusPatch", "StatusUpdate"]
    assert updated["status"]["conditions"][1] == {**CONDITION, "lastTransitionTime": None}
    assert updated["status"]["phase"] == "Active"
    assert await namespaces.read("changed") == updated


@inside
async def test_finalizer(cluster: Cluster) -> None:
    """Conformance: Namespace, apply finalizer to a namespace"""
    namespaces, fake = Verbs(cluster, "namespace"), "e2e.example.com/fakeFinalizer"
    made = await namespaces.create("finalized", {})
    assert made["spec"]["finalizers"] == ["kubernetes"]

    async def put(change: Callable[[list[str]], None]) -> Object:
        found = await namespaces.read("finalized")
        change(found["spec"]["finalizers"])
        answer = await cluster.client.update(namespaces.kind, Key("", "finalized"), found, subresource="finalize")
        return dict(msgspec.json.decode(answer))

    assert (await put(lambda finalizers: finalizers.append(fake)))["spec"]["finalizers"] == ["kubernetes", fake]
    assert (await namespaces.read("finalized"))["spec"]["finalizers"] == ["kubernetes", fake]
    assert (await put(lambda finalizers: finalizers.remove(fake)))["spec"]["finalizers"] == ["kubernetes"]
    assert (await namespaces.read("finalized"))["spec"]["finalizers"] == ["kubernetes"]


@inside
async def test_services_go(cluster: Cluster) -> None:
    """Conformance: namespace-deletion-removes-services"""
    namespaces = Verbs(cluster, "namespace")
    await namespaces.create("nsdeletetest", {})
    assert await cluster.exists("serviceaccount/default", "nsdeletetest")
    services = Verbs(cluster, "service", "nsdeletetest")
    selector = {"foo": "bar", "baz": "blah"}
    await services.create("test-service", {"spec": {"selector": selector, "ports": [{"port": 80, "targetPort": 80}]}})

    await namespaces.delete("nsdeletetest")
    await cluster.clock.advance(60)
    assert await namespaces.is_gone("nsdeletetest")
    await namespaces.create("nsdeletetest", {})
    assert await services.is_gone("test-service")
