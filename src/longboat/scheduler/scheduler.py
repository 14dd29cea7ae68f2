"""The scheduler's shell: watches pods and nodes, asks the cycle, binds, and tells pods why they must wait."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator
from typing import Any, ClassVar

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.api import kinds, pod_conditions
from longboat.api.pod_conditions import DISRUPTED
from longboat.client.events import EventRecorder
from longboat.client.informer import Informer, Informers
from longboat.client.interface import Client, Key
from longboat.machinery.errors import StatusError
from longboat.machinery.exposition import Family
from longboat.machinery.objects import Object
from longboat.scheduler import catalog, preemption
from longboat.scheduler.changes import node_change, resizing, scheduling_changed
from longboat.scheduler.cycle import SUCCESS, Cycle, NoFit, Placement
from longboat.scheduler.figures import Figures, Outcome
from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import Change, NotReady
from longboat.scheduler.preemption import Preemption
from longboat.scheduler.queue import Queue
from longboat.scheduler.snapshot import Snapshot
from longboat.scheduler.views import Namespace, Node, Pod, PodDisruptionBudget
from longboat.scheduler.volume_binder import VolumeBinder
from longboat.scheduler.volumes import ClaimKey, Volumes

log = logging.getLogger(__name__)

FINISHED = frozenset(("Succeeded", "Failed"))
MAX_BINDINGS = 64  # bindings in flight at once; further pods wait their turn


class Scheduler:
    """Decides one pod at a time; a decision counts at once, its binding is written beside the next decisions."""

    USER: ClassVar[str] = "system:kube-scheduler"

    def __init__(
        self,
        client: Client,
        informers: Informers,
        clock: Clock,
        *,
        name: str = "default-scheduler",
        dice: random.Random | None = None,
    ) -> None:
        self.name = name
        self._client = client
        self._clock = clock
        self._events = EventRecorder(client, clock, name)
        self._snapshot = Snapshot()
        self._volumes = Volumes(informers)
        binder = VolumeBinder(self._volumes, self._snapshot, client, clock)
        self._figures = figures = Figures(name)
        self._cycle = Cycle(catalog.plugins(binder), dice or random.Random(), figures.passed, clock.monotonic)
        self._queue = Queue(clock)
        self._slots = asyncio.Semaphore(MAX_BINDINGS)
        self._binding = 0
        self._gated: set[str] = set()  # uids of pods that are not to be scheduled yet
        nodes, pods, namespaces = informers.of(Node), informers.of(Pod), informers.of(Namespace)
        self._budgets = informers.of(PodDisruptionBudget)
        self._informers: tuple[Informer[Any], ...] = (nodes, pods, namespaces, self._budgets, *self._volumes.informers)
        nodes.on_change(self._node_changed)
        pods.on_change(self._pod_changed)
        namespaces.on_change(self._namespace_changed)
        self._volumes.on_change(self._storage_changed)

    def families(self) -> Iterator[Family]:
        """What is shown at /metrics."""
        cache = {"nodes": len(self._snapshot.nodes), "pods": self._snapshot.placed, "assumed_pods": self._binding}
        pending = {**self._queue.pending(), "gated": len(self._gated)}
        return self._figures.families(pending, self._queue.incoming.copy(), self._queue.refused(), cache)

    async def run(self) -> None:
        """Schedule until cancelled."""
        for informer in self._informers:
            await informer.synced()
        async with Tasks(self.name) as tasks:
            while True:
                info = await self._queue.next()
                await self._slots.acquire()
                began = self._clock.monotonic()
                if (decision := self._decided(info, began)) is not None:
                    tasks.spawn(f"bind/{info.pod.metadata.name}", self._settle(info, decision, began))
                await asyncio.sleep(0)  # a long queue must not hold the loop

    def _decided(self, info: PodInfo, began: float) -> Placement | NoFit | None:
        """None where the pod cannot be judged: it comes again after a while, and the others have their turns."""
        try:
            return self._decide(info)
        except Exception:
            log.exception("pod %s/%s cannot be judged", info.pod.metadata.namespace, info.pod.metadata.name)
            self._attempted(Outcome.ERROR, began)
            self._queue.failed(info.uid, Change(0))
            self._slots.release()
            return None

    def _attempted(self, outcome: Outcome, began: float) -> None:
        self._figures.attempted(outcome, self._clock.monotonic() - began)

    def _decide(self, info: PodInfo) -> Placement | NoFit:
        began = self._clock.monotonic()
        decision = self._cycle.decide(info, self._snapshot)
        self._figures.algorithm.observe(self._clock.monotonic() - began)
        if isinstance(decision, Placement):
            self._snapshot.place(info, decision.node)
            self._lose_nomination(info.uid, decision.node)
            if (node := self._snapshot.node(decision.node)) is not None:
                for plugin in self._cycle.plugins:
                    plugin.reserve(info, node)
        return decision

    async def _settle(self, info: PodInfo, decision: Placement | NoFit, began: float) -> None:
        try:
            if isinstance(decision, Placement):
                await self._carry_out(info, decision.node, began)
            else:
                self._attempted(Outcome.UNSCHEDULABLE, began)
                await self._make_room(info, decision)
        finally:
            self._slots.release()

    async def _carry_out(self, info: PodInfo, node: str, began: float) -> None:
        waiting = self._queue.find(info.uid)  # once it is bound, it waits no more
        self._binding += 1
        try:
            done = await self._get_ready(info, node) and await self._bind(info, node)
        finally:
            self._binding -= 1
        self._attempted(Outcome.SCHEDULED if done else Outcome.ERROR, began)
        if done and waiting is not None:
            self._figures.bound(waiting.attempts, self._clock.monotonic() - waiting.since)
        self._unreserve(info)

    async def _make_room(self, info: PodInfo, refused: NoFit) -> None:
        """Evict pods of lower priority if that helps, and tell the pod why it waits.

        The room is the pod's from now on, though it may take its victims long to go.
        """
        waits = info.uid in self._queue
        tried = bool(refused.nodes) and not refused.overall
        why, room = preemption.allowed(info, self._snapshot, refused.hopeful) if tried else "", None
        nominated = None if why or refused.overall else ""  # what it was nominated for may still come
        if tried and not why:
            self._figures.preemptions += 1
            room = preemption.plan(info, self._snapshot, self._cycle, refused.hopeful, self._budgets.values())
            why = "" if room else preemption.nothing_found(refused, refused.hopeful)
        if room and waits:
            self._snapshot.nominator.nominate(info, nominated := room.node)
        elif nominated is not None:
            self._lose_nomination(info.uid)
        self._queue.failed(info.uid, refused.cures, refused.plugins)
        if room:
            self._figures.preempted(len(room.victims))
            await self._evict(info, room)
            await self._outdo(info, room.node)
        await self._explain(info.pod, "Unschedulable", preemption.message(refused, why), nominated)

    def _lose_nomination(self, uid: str, node: str = "") -> None:
        """The pod goes to `node`, or nowhere: the room it was nominated for is free for others again."""
        before = self._snapshot.nominator.where(uid)
        if self._snapshot.nominator.forget(uid) and before != node:
            self._queue.changed(Change.POD_GONE)

    async def _outdo(self, info: PodInfo, node: str) -> None:
        """Send those that were nominated for the node, and matter less, to look for another."""
        for other in self._snapshot.nominator.behind(info, node):
            self._snapshot.nominator.forget(other.uid)
            self._queue.again(other.uid)
            await self._write_status(other.pod, {"nominatedNodeName": None})

    async def _evict(self, info: PodInfo, room: Preemption) -> None:
        for victim in room.victims:
            meta = victim.pod.metadata
            if meta.deletionTimestamp is not None:
                continue  # it is going already
            key = Key(meta.namespace, meta.name)
            who = f"{info.pod.metadata.namespace}/{info.pod.metadata.name}"
            message = f"{self.name}: preempting to accommodate a higher priority pod"
            told = self._condition(victim.pod, DISRUPTED, True, preemption.BY_SCHEDULER, message)
            patch = {"metadata": {"uid": meta.uid}, "status": {"conditions": [told]}}
            try:
                await self._client.patch(kinds.POD, key, patch, style="strategic", subresource="status")
                await self._client.delete(kinds.POD, key, uid=meta.uid)
            except (StatusError, ConnectionError) as error:
                log.info("could not preempt %s: %s", key, error)
                continue
            message = f"Preempted by pod {info.uid} on node {room.node}"
            self._events.event(victim.pod, "Normal", "Preempted", message, action="Preempting")
            log.info("preempted %s on %s for %s", key, room.node, who)

    async def _get_ready(self, info: PodInfo, node: str) -> bool:
        """Have done what must be before the binding. That may take long: the slot goes to others meanwhile."""
        eager = [plugin for plugin in self._cycle.plugins if plugin.has_to_prepare(info)]
        if not eager:
            return True
        self._slots.release()
        try:
            for plugin in eager:
                try:
                    await plugin.pre_bind(info, node)
                except (NotReady, StatusError, ConnectionError) as error:
                    said = f'running PreBind plugin "{plugin.name}": {error}'
                    await self._binding_failed(info, error, said)
                    return False
            return True
        finally:
            await self._slots.acquire()

    def _unreserve(self, info: PodInfo) -> None:
        for plugin in self._cycle.plugins:
            plugin.unreserve(info)

    async def _bind(self, info: PodInfo, node: str) -> bool:
        pod, began = info.pod, self._clock.monotonic()
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.metadata.name, "namespace": pod.metadata.namespace, "uid": pod.metadata.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        try:
            await self._client.create(
                kinds.POD, binding, namespace=pod.metadata.namespace, name=pod.metadata.name, subresource="binding"
            )
        except (StatusError, ConnectionError) as error:
            self._figures.passed("Bind", "Error", self._clock.monotonic() - began)
            await self._binding_failed(info, error)
            return False
        self._figures.passed("Bind", SUCCESS, self._clock.monotonic() - began)
        self._queue.remove(info.uid)
        where = f"{pod.metadata.namespace}/{pod.metadata.name}"
        self._events.event(pod, "Normal", "Scheduled", f"Successfully assigned {where} to {node}", action="Binding")
        return True

    async def _binding_failed(self, info: PodInfo, error: Exception, said: str = "") -> None:
        self._snapshot.remove(info.uid)
        if isinstance(error, StatusError) and error.code in (404, 409):
            # Gone, or bound by another hand: the watch tells which, and takes the pod out of the queue if so.
            log.info("binding of %s was refused: %s", info.pod.metadata.name, error)
        else:
            log.warning("binding of %s failed: %s", info.pod.metadata.name, error)
        self._queue.failed(info.uid, Change(0))
        if not (isinstance(error, StatusError) and error.code == 404):
            await self._explain(info.pod, "SchedulerError", said or f"binding rejected: {error}")

    async def _explain(self, pod: Pod, reason: str, message: str, nominated: str | None = None) -> None:
        """Tell the pod's owner why it has no node: an Event, and its PodScheduled condition.

        `nominated`: the node it is nominated for, "" for none; None if that is as it was.
        """
        self._events.event(pod, "Warning", "FailedScheduling", message, action="Scheduling")
        before = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
        told = ("False", reason, message, pod.metadata.generation)
        same = before and (before.status, before.reason, before.message, before.observedGeneration) == told
        if same and nominated in (None, pod.status.nominatedNodeName):
            return
        status: dict[str, object] = {"conditions": [self._condition(pod, "PodScheduled", False, reason, message)]}
        if nominated is not None and nominated != pod.status.nominatedNodeName:
            status["nominatedNodeName"] = nominated or None
        await self._write_status(pod, status)

    def _condition(self, pod: Pod, kind: str, holds: bool, reason: str, message: str) -> Object:
        before, generation = pod.status.conditions, pod.metadata.generation
        return pod_conditions.condition(
            kind, holds, reason, message, before=before, generation=generation, now=self._clock.now()
        )

    async def _write_status(self, pod: Pod, status: dict[str, object]) -> None:
        patch = {"metadata": {"uid": pod.metadata.uid}, "status": status}
        key = Key(pod.metadata.namespace, pod.metadata.name)
        try:
            await self._client.patch(kinds.POD, key, patch, style="strategic", subresource="status")
        except (StatusError, ConnectionError) as error:
            log.info("could not write the status of %s: %s", key, error)

    def _namespace_changed(self, old: Namespace | None, new: Namespace | None) -> None:
        if new is not None:
            self._snapshot.namespaces[new.metadata.name] = new.metadata.labels
        elif old is not None:
            self._snapshot.namespaces.pop(old.metadata.name, None)

    def _storage_changed(self, claim: ClaimKey | None) -> None:
        """Of a claim only the pods that use it want to know; of the rest, all that wait for volumes."""
        if claim is not None:
            self._queue.changed(Change.STORAGE, lambda info: any(use.key == claim for use in info.claims))
        else:
            self._queue.changed(Change.STORAGE, lambda info: bool(info.claims))

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            if old is not None:
                self._snapshot.set_node(old.metadata.name, None)
            return
        self._snapshot.set_node(new.metadata.name, new)
        if change := node_change(old, new):
            self._queue.changed(change)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        assert pod is not None
        uid = pod.metadata.uid
        if old is not None and new is not None and old.metadata.uid != uid:
            self._pod_changed(old, None)  # deleted and created again between two looks
            old = None
        if new is None or new.spec.nodeName or new.metadata.deletionTimestamp or new.status.phase in FINISHED:
            self._lose_nomination(uid, new.spec.nodeName if new else "")
        if new is not None and new.spec.schedulingGates and not new.spec.nodeName and new.status.phase not in FINISHED:
            self._gated.add(uid)
        else:
            self._gated.discard(uid)
        if new is None or new.status.phase in FINISHED:
            self._queue.remove(uid)
            if self._volumes.intent(uid) is not None:
                self._unreserve(PodInfo(pod))
            if self._snapshot.remove(uid):
                self._queue.changed(Change.POD_GONE)
        elif new.spec.nodeName:
            self._queue.remove(uid)
            self._count(old, new)
        elif new.metadata.deletionTimestamp is not None or new.spec.schedulingGates:
            self._queue.remove(uid)
        elif new.spec.schedulerName == self.name:
            self._waits(old, new)

    def _waits(self, old: Pod | None, new: Pod) -> None:
        info, uid = PodInfo(new), new.metadata.uid
        if old is None or scheduling_changed(old, new):
            self._queue.put(info)
        else:
            self._queue.refresh(info)
        nominator, name = self._snapshot.nominator, new.status.nominatedNodeName
        if self._snapshot.where(uid) is not None:
            return  # it has its node, though that is not written yet
        if name == (old.status.nominatedNodeName if old is not None else ""):
            name = nominator.where(uid)  # ours may not be written yet
        if name:
            nominator.nominate(info, name)
        else:
            self._lose_nomination(uid)

    def _count(self, old: Pod | None, new: Pod) -> None:
        counted = self._snapshot.where(new.metadata.uid) == new.spec.nodeName
        resized = old is not None and resizing(old, new)
        going = old is not None and old.metadata.deletionTimestamp != new.metadata.deletionTimestamp
        if counted and old is not None and not (resized or going or scheduling_changed(old, new)):
            return
        self._snapshot.place(PodInfo(new), new.spec.nodeName)
        if old is None or not old.spec.nodeName:
            self._queue.changed(Change.POD_PLACED)
        elif resized or old.spec != new.spec:
            self._queue.changed(Change.POD_GONE)  # resized: it may have given room back
