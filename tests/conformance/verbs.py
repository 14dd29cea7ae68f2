"""The verbs of the API on one resource, as the certified suite's CRUD entries use them."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster


class Verbs:
    """Everything settles before an answer is given, so that controllers have had their say."""

    def __init__(self, cluster: Cluster, kind: str, namespace: str = "default") -> None:
        self.cluster = cluster
        self.kind = cluster.kind(kind)
        self.namespace = namespace if self.kind.namespaced else ""

    def _key(self, name: str) -> Key:
        return Key(self.namespace, name)

    async def create(self, name: str, body: Object, **meta: Any) -> Object:
        whole = {"kind": self.kind.name, "apiVersion": self.kind.api_version, "metadata": {"name": name, **meta}}
        answer = await self.cluster.client.create(self.kind, {**whole, **body}, namespace=self.namespace)
        await self.cluster.settle()
        found: Object = msgspec.json.decode(answer)
        return found

    async def read(self, name: str, subresource: str = "") -> Object:
        raw = await self.cluster.client.get_raw(self.kind, self._key(name), subresource=subresource)
        found: Object = msgspec.json.decode(raw)
        return found

    async def list(self, labels: str = "", *, everywhere: bool = False) -> list[Object]:
        namespace = "" if everywhere else self.namespace
        page = await self.cluster.client.list_page(self.kind, namespace=namespace, labels=labels, limit=0)
        own = {"kind": self.kind.name, "apiVersion": self.kind.api_version}  # said by the list, not by its items
        return [own | msgspec.json.decode(item) for item in page.items]

    async def patch(self, name: str, change: Object, *, style: str = "merge", subresource: str = "") -> Object:
        answer = await self.cluster.client.patch(
            self.kind, self._key(name), change, style=style, subresource=subresource
        )
        await self.cluster.settle()
        found: Object = msgspec.json.decode(answer)
        return found

    async def label(self, name: str, **labels: str) -> Object:
        """By a strategic merge patch."""
        return await self.patch(name, {"metadata": {"labels": labels}}, style="strategic")

    async def update(self, name: str, change: Any, subresource: str = "") -> Object:
        """Read, let `change` alter it, and write it back."""
        obj = await self.read(name, subresource)
        change(obj)
        answer = await self.cluster.client.update(self.kind, self._key(name), obj, subresource=subresource)
        await self.cluster.settle()
        found: Object = msgspec.json.decode(answer)
        return found

    async def relabel(self, name: str, **labels: str) -> Object:
        """By an update."""
        return await self.update(name, lambda obj: obj["metadata"].setdefault("labels", {}).update(labels))

    async def delete(self, name: str) -> None:
        await self.cluster.client.delete(self.kind, self._key(name))
        await self.cluster.settle()

    async def delete_collection(self, labels: str) -> None:
        await self.cluster.client.delete_collection(self.kind, namespace=self.namespace, labels=labels)
        await self.cluster.settle()

    async def are_left(self, *names: str) -> bool:
        """Whether just these remain; in a namespace, or of a whole cluster."""
        return [obj["metadata"]["name"] for obj in await self.list()] == sorted(names)

    async def is_gone(self, name: str) -> bool:
        try:
            await self.read(name)
        except StatusError as error:
            assert error.reason == "NotFound"
            return True
        return False


def labels_of(obj: Object) -> dict[str, str]:
    found: dict[str, str] = obj["metadata"].get("labels", {})
    return found
