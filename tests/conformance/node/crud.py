"""The life of an object through every verb, watched all along."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from conformance.verbs import Verbs, labels_of
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

MARK = {"conformance": "crud"}


class Watched:
    """What a watch tells, bookmarks left out."""

    def __init__(self, cluster: Cluster, verbs: Verbs, labels: str = "", since: str = "") -> None:
        self._events = cluster.client.watch(verbs.kind, since, namespace=verbs.namespace, labels=labels)

    async def next(self) -> tuple[str, Object]:
        async for event in self._events:
            if event.type != "BOOKMARK":
                return event.type, msgspec.json.decode(event.object)
        raise AssertionError("the watch has ended")

    async def expect(self, kind: str, name: str) -> Object:
        found, obj = await self.next()
        assert (found, obj["metadata"]["name"]) == (kind, name)
        return obj

    async def close(self) -> None:
        assert isinstance(self._events, AsyncIterator)
        await self._events.aclose()  # type: ignore[attr-defined]


async def whole_life(cluster: Cluster, kind: str, body: Object, change: Callable[[Object], Any]) -> None:
    """Create, get, list, watch, patch, update, delete, deletecollection. `change` alters the body for the update."""
    verbs = Verbs(cluster, kind)
    created = await verbs.create("first", body, labels=MARK)
    watched = Watched(cluster, verbs, "conformance=crud")
    await watched.expect("ADDED", "first")
    read = await verbs.read("first")
    assert read == created and read["metadata"]["uid"]
    assert names(await verbs.list("conformance=crud")) == ["first"] == names(await verbs.list(everywhere=True))
    assert await verbs.list("conformance=other") == []

    patched = await verbs.patch("first", {"metadata": {"annotations": {"patched": "yes"}}})
    assert patched["metadata"]["annotations"] == {"patched": "yes"}
    assert (await watched.expect("MODIFIED", "first"))["metadata"]["annotations"] == {"patched": "yes"}

    def update(obj: Object) -> None:
        obj["metadata"]["annotations"]["updated"] = "yes"
        change(obj)

    updated = await verbs.update("first", update)
    assert updated["metadata"]["annotations"] == {"patched": "yes", "updated": "yes"}
    wanted = msgspec.json.decode(msgspec.json.encode(patched))
    change(wanted)
    assert without_metadata(updated) == without_metadata(wanted) == without_metadata(await verbs.read("first"))
    assert (await watched.expect("MODIFIED", "first")) == updated

    await verbs.delete("first")
    await watched.expect("DELETED", "first")
    assert await verbs.is_gone("first")
    for name in ("second", "third"):
        await verbs.create(name, body, labels=MARK)
        await watched.expect("ADDED", name)
    await verbs.create("bystander", body)
    assert names(await verbs.list("conformance=crud")) == ["second", "third"]
    await verbs.delete_collection("conformance=crud")
    assert {(await watched.next())[0] for _ in range(2)} == {"DELETED"}
    assert await verbs.list("conformance=crud") == []
    assert names(await verbs.list()) == ["bystander"]
    assert labels_of(await verbs.read("bystander")) == {}
    await watched.close()


def names(objects: list[Object]) -> list[str]:
    return sorted(obj["metadata"]["name"] for obj in objects)


def without_metadata(obj: Object) -> Object:
    return {field: value for field, value in obj.items() if field != "metadata"}
