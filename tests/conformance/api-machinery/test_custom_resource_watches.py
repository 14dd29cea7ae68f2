"""Watches of custom kinds (sig-api-machinery, CustomResourceDefinition Watch)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

GROUP = "mygroup.example.com"
NOXU = Kind(GROUP, "v1beta1", "WishIHadChosenNoxu", "noxus", namespaced=False)
NAMES = {"plural": "noxus", "singular": "nonenglishnoxu", "kind": NOXU.name, "listKind": "NoxuItemList"}
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
VERSION = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": ANYTHING}}
DEFINITION = {"spec": {"group": GROUP, "scope": "Cluster", "names": NAMES, "versions": [VERSION]}}


class Custom(Verbs):
    def __init__(self, cluster: Cluster, kind: Kind, namespace: str = "") -> None:
        self.cluster, self.kind, self.namespace = cluster, kind, namespace


@asynccontextmanager
async def watched(of: Custom, fields: str) -> AsyncIterator[list[tuple[str, Object]]]:
    """Events as they come, by what has changed."""
    events: list[tuple[str, Object]] = []

    async def follow() -> None:
        client = of.cluster.client
        async for event in client.watch(of.kind, "", namespace=of.namespace, fields=fields, seconds=600):
            if event.type != "BOOKMARK":
                events.append((event.type, msgspec.json.decode(event.object)))

    task = asyncio.ensure_future(follow())
    try:
        await of.cluster.settle()
        yield events
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def new(events: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """What has come since this was last asked."""
    found = events[:]
    events.clear()
    return found


@inside
async def test_watch(cluster: Cluster) -> None:
    """Conformance: Custom Resource Definition, watch"""
    await Verbs(cluster, "customresourcedefinition").create(f"noxus.{GROUP}", DEFINITION)
    noxus = Custom(cluster, NOXU)
    body = {"content": {"key": "value"}, "num": {"num1": 10, "num2": 1000000}}
    async with watched(noxus, "metadata.name=name1") as first, watched(noxus, "metadata.name=name2") as second:
        for name, own, other in (("name1", first, second), ("name2", second, first)):
            made = await noxus.create(name, body)
            assert made["metadata"]["uid"]
            assert (made["apiVersion"], made["kind"]) == (NOXU.api_version, NOXU.name)
            assert (new(own), new(other)) == ([("ADDED", made)], [])
        change: Any = [{"op": "add", "path": "/dummy", "value": "test"}]
        for name, own, other in (("name1", first, second), ("name2", second, first)):
            changed = await noxus.patch(name, change, style="json")
            assert changed["dummy"] == "test"
            assert (new(own), new(other)) == ([("MODIFIED", changed)], [])
        for name, own, other in (("name1", first, second), ("name2", second, first)):
            await noxus.delete(name)
            ((kind, gone),) = new(own)
            assert (kind, gone["metadata"]["name"], new(other)) == ("DELETED", name, [])
