"""An object through all verbs and every kind of patch, each step seen by watches, as the suite tests new resources.

What a Go client sends stands here as it sends it: structs that are no pointers are written even where they are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from conformance.node.crud import Watched
from conformance.verbs import Verbs
from longboat.client.rest import path_of
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

LABELS = {"e2e-test.kubernetes.io": "crud-1"}
SELECTOR = "e2e-test.kubernetes.io=crud-1"
TYPES = {
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
}
Change = Callable[[Object], object]


@dataclass(frozen=True)
class Case:
    """`update` does to an object what each of `patches`, by style, does; likewise for its status."""

    kind: str
    body: Object
    update: Change
    patches: Mapping[str, Any]
    update_status: Change | None = None
    status_patches: Mapping[str, Any] = field(default_factory=dict)


class Life:
    """One object, and watches of its namespace (where it has one) and of all."""

    def __init__(self, cluster: Cluster, case: Case) -> None:
        self.cluster, self.case = cluster, case
        self.verbs = Verbs(cluster, case.kind)
        self.transport = cluster.api.transport("admin", "system:masters")
        everywhere = Verbs(cluster, case.kind)
        everywhere.namespace = ""
        self.watches = [
            Watched(cluster, each, SELECTOR) for each in {v.namespace: v for v in (self.verbs, everywhere)}.values()
        ]
        kind = self.verbs.kind
        self.names = {"apiVersion": kind.api_version, "kind": kind.name}
        self.seen = 0

    async def ask(
        self, method: str, name: str = "test", sub: str = "", *, body: Any = None, style: str = "", **query: str
    ) -> Object:
        """Without a second try. Raises StatusError."""
        path = path_of(self.verbs.kind, self.verbs.namespace, name, sub)
        raw = None if body is None else msgspec.json.encode(body)
        answer = await self.transport.request(
            method, path, query=query, body=raw, content_type=TYPES.get(style, "application/json")
        )
        await self.cluster.settle()
        found: Object = msgspec.json.decode(answer)
        return found

    async def told(self, event: str, obj: Object) -> None:
        """Each watch tells of the object as it was answered; revisions only grow."""
        for watched in self.watches:
            told = await watched.expect(event, obj["metadata"]["name"])
            assert told["metadata"]["uid"] == obj["metadata"]["uid"]
            if event != "DELETED":
                assert told == obj
            revision = int(told["metadata"]["resourceVersion"])
            assert revision >= self.seen
        self.seen = revision

    async def create(self, **query: str) -> Object:
        meta = {"name": "test", "labels": LABELS}
        if self.verbs.namespace:
            meta["namespace"] = self.verbs.namespace
        sent = {**self.names, "metadata": meta, **self.case.body}
        made = await self.ask("POST", "", body=sent, **query)
        holds(made, sent)
        await self.told("ADDED", made)
        return made

    async def delete(self, obj: Object) -> None:
        await self.ask("DELETE")
        await self.told("DELETED", obj)
        with pytest.raises(StatusError) as gone:
            await self.ask("GET")
        assert gone.value.code == 404

    async def change(self, obj: Object, change: Change, sub: str = "") -> Object:
        wanted = copy(obj)
        change(wanted)
        updated = await self.ask("PUT", sub=sub, body=wanted)
        holds(updated, timeless(wanted))
        assert int(updated["metadata"]["resourceVersion"]) > int(obj["metadata"]["resourceVersion"])
        await self.told("MODIFIED", updated)
        return updated

    async def patch(self, obj: Object, style: str, patch: Any, like: Change, sub: str = "") -> Object:
        """The patch names the object whole, as a client that means just this one does."""
        query = {"fieldValidation": "Strict"} | (
            {"fieldManager": "test-apply", "force": "true"} if style == "apply" else {}
        )
        if style != "json":
            names = {key: obj["metadata"][key] for key in ("name", "namespace", "uid") if key in obj["metadata"]}
            patch = {**self.names, **patch, "metadata": {**patch.get("metadata", {}), **names}}
        patched = await self.ask("PATCH", sub=sub, body=patch, style=style, **query)
        wanted = copy(obj)
        like(wanted)
        holds(patched, timeless(wanted))
        await self.told("MODIFIED", patched)
        return patched


async def every_patch(cluster: Cluster, case: Case) -> None:
    life = Life(cluster, case)
    obj = await life.create(fieldValidation="Strict")
    assert await life.ask("GET") == obj
    obj = await life.change(obj, case.update)
    if case.update_status:
        obj = await life.change(obj, case.update_status, "status")
        assert await life.ask("GET", sub="status") == obj
    for style, patch in case.patches.items():
        await life.delete(obj)
        obj = await life.patch(await life.create(), style, patch, case.update)
    for style, patch in case.status_patches.items():
        await life.delete(obj)
        changed = await life.change(await life.create(), case.update)
        assert case.update_status
        obj = await life.patch(changed, style, patch, case.update_status, "status")
    assert await life.verbs.list(SELECTOR) == await life.verbs.list(SELECTOR, everywhere=True) == [obj]
    await life.verbs.delete_collection(SELECTOR)
    await life.told("DELETED", obj)
    assert await life.verbs.is_gone("test")
    for watched in life.watches:
        await watched.close()


def holds(found: Any, wanted: Any, at: str = "") -> None:
    """Everything that is wanted is there; more may be."""
    if isinstance(wanted, dict):
        assert isinstance(found, dict) and wanted.keys() <= found.keys(), f"{at}: {found} lacks of {wanted}"
        for key, value in wanted.items():
            holds(found[key], value, f"{at}.{key}")
    elif isinstance(wanted, list):
        assert isinstance(found, list) and len(found) >= len(wanted), f"{at}: {found}"
        for number, (one, other) in enumerate(zip(found, wanted, strict=False)):
            holds(one, other, f"{at}[{number}]")
    else:
        assert found == wanted, f"{at}: {found}, not {wanted}"


def timeless(obj: Object) -> Object:
    """Without what every write changes."""
    changing = ("resourceVersion", "managedFields", "generation")
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key not in changing}}


def copy(obj: Object) -> Object:
    found: Object = msgspec.json.decode(msgspec.json.encode(obj))
    return found
