"""The life of an object through every verb, watched all along."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from conformance.verbs import Verbs, labels_of
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

MARK = {"conformance": "crud"}
VERBS = {"create", "get", "list", "watch", "update", "patch", "delete", "deletecollection"}
WRITES = {"get", "patch", "update"}  # of a subresource


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


async def check_discovery(cluster: Cluster, group_version: str, plural: str, verbs: set[str] = VERBS) -> None:
    """The documents on the group, its version and the resource say that it is there and takes these verbs."""

    async def read(path: str) -> Object:
        found: Object = msgspec.json.decode(await cluster.client.get_path(path))
        return found

    group, _, version = group_version.partition("/")
    offered = {"groupVersion": group_version, "version": version}
    (found,) = [each for each in (await read("/apis"))["groups"] if each["name"] == group]
    assert offered in found["versions"]
    assert offered in (await read(f"/apis/{group}"))["versions"]
    resources = (await read(f"/apis/{group_version}"))["resources"]
    (found,) = [each for each in resources if each["name"] == plural]
    kind = cluster.kind(plural.partition("/")[0])
    assert (found["kind"], found["namespaced"]) == (kind.name, kind.namespaced)
    assert set(found["verbs"]) == verbs


async def whole_life(
    cluster: Cluster,
    kind: str,
    body: Object,
    change: Callable[[Object], Any],
    called: tuple[str, str, str, str] = ("first", "second", "third", "bystander"),
) -> None:
    """Create, get, list, watch, patch, update, delete, deletecollection. `change` alters the body for the update."""
    first, second, third, bystander = called
    verbs = Verbs(cluster, kind)
    there = names(await verbs.list(everywhere=True))
    created = await verbs.create(first, body, labels=MARK)
    watched = Watched(cluster, verbs, "conformance=crud")
    await watched.expect("ADDED", first)
    read = await verbs.read(first)
    assert read == created and read["metadata"]["uid"]
    assert names(await verbs.list("conformance=crud")) == [first]
    assert names(await verbs.list(everywhere=True)) == sorted([first, *there])
    assert await verbs.list("conformance=other") == []

    patched = await verbs.patch(first, {"metadata": {"annotations": {"patched": "yes"}}})
    assert patched["metadata"]["annotations"] == {"patched": "yes"}
    assert (await watched.expect("MODIFIED", first))["metadata"]["annotations"] == {"patched": "yes"}

    def update(obj: Object) -> None:
        obj["metadata"]["annotations"]["updated"] = "yes"
        change(obj)

    updated = await verbs.update(first, update)
    assert updated["metadata"]["annotations"] == {"patched": "yes", "updated": "yes"}
    wanted = msgspec.json.decode(msgspec.json.encode(patched))
    change(wanted)
    assert without_metadata(updated) == without_metadata(wanted) == without_metadata(await verbs.read(first))
    assert (await watched.expect("MODIFIED", first)) == updated

    await verbs.delete(first)
    await watched.expect("DELETED", first)
    assert await verbs.is_gone(first)
    for name in (second, third):
        await verbs.create(name, body, labels=MARK)
        await watched.expect("ADDED", name)
    await verbs.create(bystander, body)
    assert names(await verbs.list("conformance=crud")) == [second, third]
    await verbs.delete_collection("conformance=crud")
    assert {(await watched.next())[0] for _ in range(2)} == {"DELETED"}
    assert await verbs.list("conformance=crud") == []
    assert names(await verbs.list(everywhere=True)) == sorted([bystander, *there])
    assert labels_of(await verbs.read(bystander)) == {}
    await watched.close()


def names(objects: list[Object]) -> list[str]:
    return sorted(obj["metadata"]["name"] for obj in objects)


def without_metadata(obj: Object) -> Object:
    return {field: value for field, value in obj.items() if field != "metadata"}


async def check_status(verbs: Verbs, name: str, first: Object, second: Object) -> None:
    """The status is written by an update and by a patch, seen by a watch, and leaves everything else alone."""
    spec = (await verbs.read(name))["spec"]
    await verbs.label(name, status="checked")
    watched = Watched(verbs.cluster, verbs, "status=checked")
    await watched.expect("ADDED", name)

    def tell(obj: Object) -> None:
        obj["status"] = first
        obj["spec"] = {}

    updated = await verbs.update(name, tell, "status")
    assert updated["status"] == first and updated["spec"] == spec
    assert (await watched.expect("MODIFIED", name))["status"] == first
    note = {"metadata": {"annotations": {"patchedstatus": "true"}}, "spec": None}
    patched = await verbs.patch(name, {**note, "status": second}, subresource="status")
    assert patched["status"] == second and patched["spec"] == spec
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    assert (await watched.expect("MODIFIED", name))["status"] == second
    assert await verbs.read(name) == patched == await verbs.read(name, "status")

    def tell_elsewhere(obj: Object) -> None:
        obj["status"] = first

    assert (await verbs.update(name, tell_elsewhere))["status"] == second, "only the subresource writes it"
    await watched.close()
