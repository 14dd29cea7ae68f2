"""Deletes what has lost its owners, in the order its owners' deletion asks for."""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, auto
from typing import Any

import msgspec

from longboat.aio.fanout import fan_out
from longboat.api.view import Meta, OwnerReference
from longboat.client.interface import Key
from longboat.controllers.garbage.graph import FOREGROUND, ORPHAN, Graph, Node
from longboat.controllers.garbage.monitor import Monitor, deletable
from longboat.controllers.runtime import Controller, Requeue
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind

log = logging.getLogger(__name__)

REDISCOVER = 30.0  # seconds between looks for kinds that have come or gone
PATIENCE = 30.0  # seconds at the start for every kind to be listed (kube-controller-manager's initial sync)
AT_ONCE = 20  # dependents set free at a time


class _Partial(msgspec.Struct):
    metadata: Meta


class State(Enum):
    """Of an owner."""

    LIVES = auto()
    WAITING = auto()  # it is being deleted, after its dependents
    GONE = auto()
    UNKNOWN = auto()  # nothing of its kind is served


class GarbageCollector(Controller):
    """Its keys are uids: Key("", uid)."""

    name = "garbage-collector"
    queue_name = "garbage_collector_attempt_to_delete"
    account = "generic-garbage-collector"
    rights = "delete get list patch update watch: */*"
    workers = 20

    def setup(self) -> None:
        self.graph = Graph()
        self._monitors: dict[Kind, Monitor] = {}
        self._kinds: dict[tuple[str, str], Kind] = {}  # by group and name: whatever version an owner is named in
        self._ready = asyncio.Event()

    async def background(self) -> None:
        while True:
            try:
                await self._discover()
            except (StatusError, ConnectionError) as error:
                log.info("garbage collector: %s", error)
                await self.clock.sleep(1.0)
                continue
            if not self._ready.is_set():
                await self._await_monitors()
                self._ready.set()
            await self.clock.sleep(REDISCOVER)

    async def _discover(self) -> None:
        found, whole = await deletable(self.client)
        for kind in found:
            if kind not in self._monitors:
                self._kinds[kind.group, kind.name] = kind
                monitor = self._monitors[kind] = Monitor(kind, self._observed, self._removed)
                self.informers.follow(kind, monitor)
        for kind in self._monitors.keys() - set(found) if whole else ():
            monitor = self._monitors.pop(kind)
            self.informers.drop(monitor)
            monitor.forget()
            if self._kinds.get((kind.group, kind.name)) == kind:
                del self._kinds[kind.group, kind.name]

    async def _await_monitors(self) -> None:
        """Nothing is judged before all is seen: who lets dependents go before knowing them orphans or kills them."""
        try:
            async with self.clock.timeout(PATIENCE):
                for monitor in list(self._monitors.values()):
                    await monitor.synced.wait()
        except TimeoutError:
            missing = [kind.resource for kind, monitor in self._monitors.items() if not monitor.synced.is_set()]
            log.warning("garbage collector: going on without having seen %s", ", ".join(missing))

    def _observed(self, kind: Kind, meta: Meta) -> None:
        self._look(self.graph.observe(kind, meta))

    def _removed(self, uid: str) -> None:
        self._look(self.graph.remove(uid))

    def _look(self, uids: set[str]) -> None:
        for uid in uids:
            self.queue.add(Key("", uid))

    async def reconcile(self, key: Key) -> Requeue | None:
        await self._ready.wait()
        node = self.graph.nodes.get(key.name)
        if node is None:
            return None
        if node.virtual:
            # An owner nobody has seen: those that name it ask for it themselves.
            self._look(set(node.dependents))
        elif node.orphaning:
            await self._orphan(node)
        elif node.deleting_dependents:
            self._foreground_step(node)
            if not node.blocking():
                await self._drop_finalizer(node, FOREGROUND)
        elif node.owners and not node.deleting:
            return await self._judge(node)
        return None

    def _foreground_step(self, node: Node) -> None:
        self._look({each.uid for each in node.dependents.values() if not each.deleting})

    async def _judge(self, node: Node) -> Requeue | None:
        """Sort a node's owners into living, gone, and waiting for their dependents; then act. Raises StatusError."""
        fresh = await self._fresh(node)
        if fresh is None:
            return None
        refs: dict[State, list[OwnerReference]] = {state: [] for state in State}
        for ref in fresh.ownerReferences:
            refs[await self._state_of(node, ref)].append(ref)
        gone, waiting = refs[State.GONE], refs[State.WAITING]
        again = Requeue(REDISCOVER) if refs[State.UNKNOWN] else None  # perhaps its kind is only being made
        if refs[State.LIVES] or refs[State.UNKNOWN]:
            if gone or waiting:
                await self._drop_owners(node, fresh, [*gone, *waiting])
        elif waiting and node.dependents:
            # Its owner waits for it, and it has dependents of its own: they go first.
            if any(each.deleting_dependents for each in node.dependents.values()):
                await self._unblock(node, fresh)  # perhaps they own each other: somebody has to go first
            await self._delete(node, fresh, "Foreground")
        elif waiting or gone:
            await self._delete(node, fresh, _policy(fresh))
        return again

    async def _state_of(self, node: Node, ref: OwnerReference) -> State:
        """How it is with an owner: as the graph knows, else asked live."""
        owner = self.graph.nodes.get(ref.uid)
        kind = self._kinds.get((ref.apiVersion.rpartition("/")[0], ref.kind))
        if kind is None:
            return State.UNKNOWN  # never delete on a guess
        if kind.namespaced and not node.namespace:
            if owner is not None and not owner.virtual:
                self._tell_misplaced(node, ref)
            return State.LIVES  # not valid: such an owner cannot be looked for, and the object is left alone
        where = node.namespace if kind.namespaced else ""
        if owner is not None and not owner.virtual:
            if (owner.kind, owner.namespace, owner.name) == (kind, where, ref.name):
                return State.WAITING if owner.deleting_dependents else State.LIVES
            self._tell_misplaced(node, ref)
        try:
            raw = await self.client.get_raw(kind, Key(where, ref.name))
        except StatusError as error:
            if error.code == 404:
                return State.GONE
            raise
        found = msgspec.json.decode(raw, type=_Partial).metadata
        if found.uid != ref.uid:
            return State.GONE
        return State.WAITING if found.deletionTimestamp and FOREGROUND in found.finalizers else State.LIVES

    def _tell_misplaced(self, node: Node, ref: OwnerReference) -> None:
        assert node.kind is not None
        about = {"apiVersion": node.kind.api_version, "kind": node.kind.name, "name": node.name, "uid": node.uid}
        if node.namespace:
            about["namespace"] = node.namespace
        named = f"[{ref.apiVersion}/{ref.kind}, namespace: {node.namespace}, name: {ref.name}, uid: {ref.uid}]"
        message = f'ownerRef {named} does not exist in namespace "{node.namespace}"'
        self.events.event(about, "Warning", "OwnerRefInvalidNamespace", message)

    async def _unblock(self, node: Node, fresh: Meta) -> None:
        """Hold up no owner's deletion any more."""
        if not any(ref.blockOwnerDeletion for ref in fresh.ownerReferences):
            return
        refs = [_written(msgspec.structs.replace(ref, blockOwnerDeletion=False)) for ref in fresh.ownerReferences]
        meta = {"uid": node.uid, "resourceVersion": fresh.resourceVersion, "ownerReferences": refs}
        await self._patch(node, {"metadata": meta})

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
                "ownerReferences": [_written(ref) for ref in fresh.ownerReferences if ref not in refs],
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

    async def _orphan(self, node: Node) -> None:
        """Set the dependents free, then let the owner go."""

        async def free(dependent: Node) -> None:
            fresh = await self._fresh(dependent)
            mine = [ref for ref in fresh.ownerReferences if ref.uid == node.uid] if fresh else []
            if fresh is not None and mine:
                await self._drop_owners(dependent, fresh, mine)

        await fan_out(list(node.dependents.values()), free, width=AT_ONCE)
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


def _policy(fresh: Meta) -> str:
    """How to delete what has no owner left: as its own finalizers ask."""
    if ORPHAN in fresh.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in fresh.finalizers else "Background"


def _written(ref: OwnerReference) -> dict[str, Any]:
    """The reference whole, for lists are replaced."""
    flags = {"controller": ref.controller or None, "blockOwnerDeletion": ref.blockOwnerDeletion or None}
    names = {"apiVersion": ref.apiVersion, "kind": ref.kind, "name": ref.name, "uid": ref.uid}
    return names | {name: value for name, value in flags.items() if value is not None}
