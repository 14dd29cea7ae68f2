"""Gives each node a range of pod addresses of its own, or one of each IP family."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from longboat.api import kinds
from longboat.api.families import split
from longboat.api.view import Part, View
from longboat.api.workloads import Condition
from longboat.client.interface import Key
from longboat.controllers.node_ranges import FreeList, take_each
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, timestamp

NO_NETWORK = "NetworkUnavailable"  # condition; its taint keeps pods off the node
NONE_FREE = "CIDRNotAvailable"


class Spec(Part):
    podCIDR: str = ""
    podCIDRs: list[str] = []


class Status(Part):
    conditions: list[Condition] = []


class Node(View):
    KIND: ClassVar[Kind] = kinds.NODE

    spec: Spec = Spec()
    status: Status = Status()

    @property
    def ranges(self) -> tuple[str, ...]:
        return tuple(self.spec.podCIDRs or [cidr for cidr in (self.spec.podCIDR,) if cidr])

    @property
    def without(self) -> bool:
        """Whether we have said that there is no range for it."""
        return any(
            (c.type, c.status, c.reason) == (NO_NETWORK, "True", NONE_FREE) for c in self.status.conditions
        )  # fmt: skip


class NodeIpam(Controller):
    """One worker: two at once might give one range away twice.

    A node that comes when all ranges are given away is told once, and waits without a further look until a range
    comes back.
    """

    name = "node-ipam"
    queue_name = "cidrallocator_node"
    account = "node-controller"
    component = "cidrAllocator"
    options = ("pod_cidr",)
    rights = """
        get list patch update watch: nodes
        patch update: nodes/status
    """
    watches = (Watch(Node, own_key),)
    workers = 1
    pod_cidr: str = "10.244.0.0/16"  # or two, with a comma between

    def setup(self) -> None:
        self._held: dict[str, tuple[str, ...]] = {}  # node to its ranges; from when they are given, not from when seen
        self._waiting: dict[str, None] = {}  # nodes for which there was none, the longest waiting first
        self.cache(Node).on_change(self._changed)

    @cached_property
    def _free(self) -> tuple[FreeList, ...]:
        return tuple(FreeList(cluster) for cluster in split(self.pod_cidr))

    def _changed(self, old: Node | None, new: Node | None) -> None:
        node = new or old
        assert node is not None
        name, before = node.metadata.name, self._held.get(node.metadata.name, ())
        if new is not None and new.ranges in ((), before):
            return
        self._hold(name, new.ranges if new is not None else ())
        waited = new is None and self._waiting.pop(name, "") is None
        if before or waited:
            self._offer()

    def _hold(self, name: str, ranges: tuple[str, ...]) -> None:
        """In place of those it had."""
        before = self._held.pop(name, ())
        if ranges:
            self._held[name] = ranges
        for free in self._free:
            for cidr in ranges:
                free.hold(cidr)
            for cidr in before:
                free.release(cidr)

    def _offer(self) -> None:
        """A range has come back: the next node may ask."""
        if (name := next(iter(self._waiting), None)) is not None:
            self.queue.add(Key("", name))

    async def reconcile(self, key: Key) -> Requeue | None:
        node = self.cache(Node).get(key)
        if node is None:
            return None
        if node.ranges:
            if self._waiting.pop(key.name, "") is None:
                self._offer()  # it had it from elsewhere, or there may be more
            if node.without:
                await self._tell(key, node, "False", "CIDRAssigned", "The node has a range of pod addresses")
            return None
        cidrs = self._held.get(key.name) or self._take(key.name)
        if not cidrs:
            await self._refuse(key, node)
            return None
        patch = {"metadata": {"uid": node.metadata.uid}, "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs}}
        await self.client.patch(kinds.NODE, key, patch)
        return None

    def _take(self, name: str) -> tuple[str, ...]:
        cidrs = tuple(take_each(self._free))
        if cidrs:
            self._held[name] = cidrs
        return cidrs

    async def _refuse(self, key: Key, node: Node) -> None:
        told = node.without or key.name in self._waiting
        self._waiting.setdefault(key.name)
        if not told:
            self.events.event(node, "Normal", NONE_FREE, f"Node {key.name} status is now: {NONE_FREE}")
        if node.without:
            return
        await self._tell(key, node, "True", NONE_FREE, f"All ranges of {self.pod_cidr} are given to other nodes")

    async def _tell(self, key: Key, node: Node, status: str, reason: str, message: str) -> None:
        now = timestamp(self.clock.now())
        condition: Object = {
            "type": NO_NETWORK, "status": status, "reason": reason, "message": message, "lastTransitionTime": now,
            "lastHeartbeatTime": now,
        }  # fmt: skip
        patch = {"metadata": {"uid": node.metadata.uid}, "status": {"conditions": [condition]}}
        await self.client.patch(kinds.NODE, key, patch, style="strategic", subresource="status")
