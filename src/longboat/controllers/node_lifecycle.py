"""Notices nodes that are lost, keeps new pods off them, and moves theirs away when their patience is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from longboat.api import kinds, pod_conditions
from longboat.api.pod_conditions import DISRUPTED
from longboat.api.taints import (
    NO_EXECUTE,
    NO_SCHEDULE,
    NOT_READY,
    UNREACHABLE,
    UNSCHEDULABLE,
    Taint,
    Toleration,
    tolerates,
)
from longboat.api.view import Part, View
from longboat.api.workloads import Condition
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import parse_timestamp, timestamp

GRACE = 50.0  # seconds without a sign of life before a node is unknown (--node-monitor-grace-period)
MONITOR = 5.0  # seconds between looks (--node-monitor-period)
LEASES = "kube-node-lease"
PRESSURE = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
MANAGED_SCHEDULE = frozenset((NOT_READY, UNREACHABLE, UNSCHEDULABLE, *PRESSURE.values()))
CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


class NodeSpec(Part):
    taints: list[Taint] = []
    unschedulable: bool = False


class NodeStatus(Part):
    conditions: list[Condition] = []


class Node(View):
    KIND: ClassVar[Kind] = kinds.NODE

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class LeaseSpec(Part):
    renewTime: str | None = None


class Lease(View):
    KIND: ClassVar[Kind] = kinds.LEASE

    spec: LeaseSpec = LeaseSpec()


class PodSpec(Part):
    nodeName: str = ""
    tolerations: list[Toleration] = []


class PodStatus(Part):
    phase: str = ""
    conditions: list[Condition] = []


class Pod(View):
    KIND: ClassVar[Kind] = kinds.POD

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


def ready(node: Node) -> str:
    """True, False or Unknown."""
    return next((c.status for c in node.status.conditions if c.type == "Ready"), "Unknown")


def wanted_taints(node: Node) -> list[tuple[str, str]]:
    """Key and effect of the taints a node's conditions call for."""
    found = []
    state = ready(node)
    if state != "True":
        key = NOT_READY if state == "False" else UNREACHABLE
        found += [(key, NO_SCHEDULE), (key, NO_EXECUTE)]
    if node.spec.unschedulable:
        found.append((UNSCHEDULABLE, NO_SCHEDULE))
    for condition in node.status.conditions:
        if condition.type in PRESSURE and condition.status == "True":
            found.append((PRESSURE[condition.type], NO_SCHEDULE))
    return found


def managed(taint: Taint) -> bool:
    if taint.effect == NO_SCHEDULE:
        return taint.key in MANAGED_SCHEDULE
    return taint.effect == NO_EXECUTE and taint.key in (NOT_READY, UNREACHABLE)


def patience(pod: Pod, taints: list[Taint]) -> float | None:
    """How many seconds a pod stays with these NoExecute taints: 0 none, None for ever."""
    least: float | None = None
    for taint in taints:
        fitting = [t for t in pod.spec.tolerations if tolerates(t, taint)]
        if not fitting:
            return 0.0
        seconds = [t.tolerationSeconds for t in fitting if t.tolerationSeconds is not None]
        if seconds:
            shortest = float(max(min(seconds), 0))
            least = shortest if least is None else min(least, shortest)
    return least


class NodeLifecycle(Controller):
    """Watches nodes for signs of life, and keeps their taints true to their conditions."""

    name = "node-lifecycle"
    queue_name = "node_lifecycle_controller"
    account = "node-controller"
    component = "node-controller"
    rights = """
        delete get list patch update watch: nodes
        patch update: nodes/status pods/status
        get list watch: coordination/leases pods
    """
    watches = (Watch(Node, own_key),)
    reads = (Lease, Pod)

    def setup(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}  # node to its last sign of life, and when it was noticed
        self.cache(Pod).index("node", lambda pod: (pod.spec.nodeName,) if pod.spec.nodeName else ())

    async def background(self) -> None:
        while True:
            await self.clock.sleep(MONITOR)
            for node in self.cache(Node).values():
                self.queue.add(Key("", node.metadata.name))

    async def reconcile(self, key: Key) -> Requeue | None:
        node = self.cache(Node).get(key)
        if node is None:
            self._seen.pop(key.name, None)
            return None
        if self._silent(node) and ready(node) != "Unknown":
            await self._mark_unknown(key, node)
            return Requeue(0.05)  # taints follow once the copy shows the new conditions
        await self._set_taints(key, node)
        if ready(node) != "True":
            await self._mark_pods(key.name)
        return None

    def _silent(self, node: Node) -> bool:
        """Whether neither the lease nor the status has moved for too long, by our own clock."""
        lease = self.cache(Lease).get(Key(LEASES, node.metadata.name))
        # The status moves with every heartbeat as well; the resourceVersion says so without reading times.
        sign = f"{lease.spec.renewTime if lease else ''}/{self._heartbeat(node)}"
        now = self.clock.monotonic()
        before = self._seen.get(node.metadata.name)
        if before is None or before[0] != sign:
            self._seen[node.metadata.name] = (sign, now)
            return False
        return now - before[1] > GRACE

    @staticmethod
    def _heartbeat(node: Node) -> str:
        return "".join(
            f"{c.type}{c.status}{c.lastTransitionTime}" for c in node.status.conditions if c.status != "Unknown"
        )

    async def _mark_unknown(self, key: Key, node: Node) -> None:
        now = timestamp(self.clock.now())
        present = {c.type: c for c in node.status.conditions}
        conditions = []
        for name in CONDITIONS:
            before = present.get(name)
            if before is not None and before.status == "Unknown":
                continue
            never = before is None
            conditions.append(
                {
                    "type": name,
                    "status": "Unknown",
                    "reason": "NodeStatusNeverUpdated" if never else "NodeStatusUnknown",
                    "message": "Kubelet never posted node status." if never else "Kubelet stopped posting node status.",
                    "lastTransitionTime": now,
                }
            )
        patch = {"metadata": {"uid": node.metadata.uid}, "status": {"conditions": conditions}}
        await self.client.patch(kinds.NODE, key, patch, style="strategic", subresource="status")
        message = f"Node {key.name} status is now: NodeNotReady"
        self.events.event(node, "Normal", "NodeNotReady", message)

    async def _set_taints(self, key: Key, node: Node) -> None:
        wanted = wanted_taints(node)
        kept = [t for t in node.spec.taints if not managed(t) or (t.key, t.effect) in wanted]
        have = {(t.key, t.effect) for t in kept}
        now = timestamp(self.clock.now())
        added = [Taint(key=k, effect=effect, timeAdded=now) for k, effect in wanted if (k, effect) not in have]
        if not added and len(kept) == len(node.spec.taints):
            return
        meta: dict[str, Any] = {"uid": node.metadata.uid, "resourceVersion": node.metadata.resourceVersion}
        await self.client.patch(kinds.NODE, key, {"metadata": meta, "spec": {"taints": [*kept, *added]}})

    async def _mark_pods(self, node: str) -> None:
        """Pods of a node that is not ready are not ready either: Services must not send anybody there."""
        for pod in self.cache(Pod).by_index("node", node):
            condition = next((c for c in pod.status.conditions if c.type == "Ready"), None)
            if condition is None or condition.status != "True":
                continue
            changed = {"type": "Ready", "status": "False", "lastTransitionTime": timestamp(self.clock.now())}
            patch = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [changed]}}
            key = Key(pod.metadata.namespace, pod.metadata.name)
            try:
                await self.client.patch(kinds.POD, key, patch, style="strategic", subresource="status")
            except StatusError as error:
                if error.code not in (404, 409):
                    raise
            self.events.event(pod, "Warning", "NodeNotReady", "Node is not ready")


class TaintEviction(Controller):
    """Deletes pods from nodes with NoExecute taints, each when its own patience is over."""

    name = "taint-eviction"
    queue_name = "noexec_taint_pod"
    account = "node-controller"
    component = "taint-eviction-controller"
    rights = """
        delete get list watch: pods
        patch update: pods/status
        get list watch: nodes
    """
    watches = (Watch(Pod, own_key, when=lambda pod: bool(pod.spec.nodeName)),)
    reads = (Node,)

    def setup(self) -> None:
        self._began: dict[Key, tuple[str, datetime]] = {}  # pod to its uid, and when its patience was first tried
        pods = self.cache(Pod)
        pods.index("node", lambda pod: (pod.spec.nodeName,) if pod.spec.nodeName else ())
        self.cache(Node).on_change(self._node_changed)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is None or (old is not None and old.spec.taints == new.spec.taints):
            return
        for pod in self.cache(Pod).by_index("node", new.metadata.name):
            self.queue.add(Key(pod.metadata.namespace, pod.metadata.name))

    async def reconcile(self, key: Key) -> Requeue | None:
        pod = self.cache(Pod).get(key)
        taints = [] if pod is None or pod.metadata.deletionTimestamp else self._taints(pod)
        wait = patience(pod, taints) if pod is not None and taints else None
        if pod is None or wait is None:
            self._began.pop(key, None)
            return None
        left = self._since(key, pod, taints) + timedelta(seconds=wait) - self.clock.now()
        if left > timedelta(0):
            return Requeue(left.total_seconds())
        await self._evict(key, pod)
        return None

    def _taints(self, pod: Pod) -> list[Taint]:
        node = self.cache(Node).get(Key("", pod.spec.nodeName))
        return [t for t in node.spec.taints if t.effect == NO_EXECUTE] if node else []

    def _since(self, key: Key, pod: Pod, taints: list[Taint]) -> datetime:
        """The patience counts from the last taint's time; where none tells its time, from when we first saw it."""
        if told := [parse_timestamp(t.timeAdded) for t in taints if t.timeAdded]:
            return max(told)
        uid, since = self._began.get(key, ("", self.clock.now()))
        if uid != pod.metadata.uid:
            since = self.clock.now()
            self._began[key] = (pod.metadata.uid, since)
        return since

    async def _evict(self, key: Key, pod: Pod) -> None:
        message = f"Marking for deletion Pod {key}"
        self.events.event(pod, "Normal", "TaintManagerEviction", message)
        before, generation = pod.status.conditions, pod.metadata.generation
        why = ("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
        told = pod_conditions.condition(
            DISRUPTED, True, *why, before=before, generation=generation, now=self.clock.now()
        )
        patch = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [told]}}
        try:
            await self.client.patch(kinds.POD, key, patch, style="strategic", subresource="status")
            await self.client.delete(kinds.POD, key, uid=pod.metadata.uid)
        except StatusError as error:
            if error.code not in (404, 409):
                raise
