"""Deletes what has lost its owners, in the order its owners' deletion asks for."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.aio.tasks import Tasks
from longboat.api.view import Meta, OwnerReference
from longboat.client.interface import Key
from longboat.controllers.garbage.graph import FOREGROUND, ORPHAN, Graph, Node
from longboat.controllers.garbage.monitor import Monitor, deletable
from longboat.controllers.runtime import Controller, Requeue
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind

REDISCOVER = 30.0  # seconds between looks for kinds that have come or gone


class _Partial(msgspec.Struct):
    metadata: Meta


class GarbageCollector(Controller):
    """Its keys are uids: Key("", uid)."""

    name = "garbage-collector"
    account = "generic-garbage-collector"
    workers = 20

    def setup(self) -> None:
        self.graph = Graph()
        self._monitors: dict[Kind, Monitor] = {}
        self._kinds: dict[tuple[str, str], Kind] = {}

    async def background(self) -> None:
        async with Tasks("garbage-monitors") as tasks:
            while True:
                try:
                    await self._discover(tasks)
                except (StatusError, ConnectionError):
                    await self.clock.sleep(1.0)
                    continue
                await self.clock.sleep(REDISCOVER)

    async def _discover(self, tasks: Tasks) -> None:
        for kind in await deletable(self.client):
            if kind not in self._monitors:
                self._kinds[kind.api_version, kind.name] = kind
                monitor = Monitor(kind, self.client, self.clock, self._observed, self._removed)
                self._monitors[kind] = monitor
                tasks.spawn(kind.resource, monitor.run())

    def _observed(self, kind: Kind, meta: Meta) -> None:
        self._look(self.graph.observe(kind, meta))

    def _removed(self, uid: str) -> None:
        self._look(self.graph.remove(uid))

    def _look(self, uids: set[str]) -> None:
        for uid in uids:
            self.queue.add(Key("", uid))

    async def reconcile(self, key: Key) -> Requeue | None:
        node = self.graph.nodes.get(key.name)
        if node is None:
            return None
        if node.virtual:
            await self._verify(node)
            return None
        if node.orphaning:
            await self._orphan(node)
            return None
        if node.deleting_dependents:
            await self._foreground(node)
            return None
        if node.owners and not node.deleting:
            await self._judge(node)
        return None

    async def _verify(self, node: Node) -> None:
        """An owner nobody has seen: if it is not there, those that name it have lost it."""
        dependents = list(node.dependents.values())
        for dependent in dependents:
            self.queue.add(Key("", dependent.uid))

    async def _judge(self, node: Node) -> None:
        """Sort a node's owners into living, gone, and waiting for their dependents; then act. Raises StatusError."""
        assert node.kind is not None
        fresh = await self._fresh(node)
        if fresh is None:
            return
        living: list[OwnerReference] = []
        waiting: list[OwnerReference] = []
        gone: list[OwnerReference] = []
        for ref in fresh.ownerReferences:
            state = await self._state_of(node, ref)
            (gone if state is None else waiting if state else living).append(ref)
        if living:
            if gone or waiting:
                await self._drop_owners(node, fresh, [*gone, *waiting])
            return
        if waiting and node.dependents:
            # Its owner waits for it, and it has dependents of its own: they go first.
            await self._delete(node, fresh, "Foreground")
            return
        if waiting or gone:
            policy = (
                "Orphan"
                if ORPHAN in fresh.finalizers
                else "Foreground"
                if FOREGROUND in fresh.finalizers
                else "Background"
            )
            await self._delete(node, fresh, policy)

    async def _state_of(self, node: Node, ref: OwnerReference) -> bool | None:
        """False: the owner lives. True: it is being deleted in the foreground. None: it is gone (asked live)."""
        owner = self.graph.nodes.get(ref.uid)
        if owner is not None and not owner.virtual:
            return owner.deleting_dependents
        kind = self._kinds.get((ref.apiVersion, ref.kind))
        if kind is None:
            return False  # of a kind not known (yet): never delete on a guess
        if kind.namespaced and not node.namespace:
            return False  # a cluster-scoped object cannot have a namespaced owner: upstream leaves it, with an event
        where = node.namespace if kind.namespaced else ""
        try:
            raw = await self.client.get_raw(kind, Key(where, ref.name))
        except StatusError as error:
            if error.code == 404:
                return None
            raise
        found = msgspec.json.decode(raw, type=_Partial).metadata
        if found.uid != ref.uid:
            return None
        return found.deletionTimestamp is not None and FOREGROUND in found.finalizers

    async def _fresh(self, node: Node) -> Meta | None:
        """The object as it is now; None where it is gone or another one, which the graph is then told."""
        assert node.kind is not None
        try:
            raw = await self.client.get_raw(node.kind, Key(node.namespace, node.name))
        except StatusError as error:
            if error.code != 404:
                raise
            self._removed(node.uid)
            return None
        found = msgspec.json.decode(raw, type=_Partial).metadata
        if found.uid != node.uid:
            self._removed(node.uid)
            return None
        return found

    async def _drop_owners(self, node: Node, fresh: Meta, refs: list[OwnerReference]) -> None:
        assert node.kind is not None
        patch = {
            "metadata": {
                "uid": node.uid,
                "resourceVersion": fresh.resourceVersion,
                "ownerReferences": [ref for ref in fresh.ownerReferences if ref not in refs],
            }
        }
        await self._patch(node, patch)

    async def _delete(self, node: Node, fresh: Meta, policy: str) -> None:
        assert node.kind is not None
        try:
            await self.client.delete(
                node.kind,
                Key(node.namespace, node.name),
                uid=node.uid,
                resource_version=fresh.resourceVersion,
                propagation=policy,
            )
        except StatusError as error:
            if error.code != 404:
                raise

    async def _foreground(self, node: Node) -> None:
        """Delete the dependents; once none blocks any more, let the owner go."""
        blocking = node.blocking()
        if not blocking:
            await self._drop_finalizer(node, FOREGROUND)
            return
        for dependent in node.dependents.values():
            if not dependent.deleting:
                self.queue.add(Key("", dependent.uid))

    async def _orphan(self, node: Node) -> None:
        """Set the dependents free, then let the owner go."""
        for dependent in list(node.dependents.values()):
            fresh = await self._fresh(dependent)
            if fresh is not None:
                mine = [ref for ref in fresh.ownerReferences if ref.uid == node.uid]
                if mine:
                    await self._drop_owners(dependent, fresh, mine)
        await self._drop_finalizer(node, ORPHAN)

    async def _drop_finalizer(self, node: Node, finalizer: str) -> None:
        fresh = await self._fresh(node)
        if fresh is None or finalizer not in fresh.finalizers:
            return
        kept = [each for each in fresh.finalizers if each != finalizer]
        patch = {"metadata": {"uid": node.uid, "resourceVersion": fresh.resourceVersion, "finalizers": kept}}
        await self._patch(node, patch)

    async def _patch(self, node: Node, patch: dict[str, Any]) -> None:
        assert node.kind is not None
        try:
            await self.client.patch(node.kind, Key(node.namespace, node.name), patch)
        except StatusError as error:
            if error.code != 404:
                raise
