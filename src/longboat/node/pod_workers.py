"""All pods of the node: a worker for each that has something to do, woken by the API, the runtime, probes and time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import ExitStack, asynccontextmanager

from longboat.aio.backoff import doubling
from longboat.aio.clock import Timer
from longboat.aio.tasks import Tasks
from longboat.machinery.errors import StatusError
from longboat.node import allocation, preemption
from longboat.node.admitter import Admitter
from longboat.node.cri.interface import RuntimeFailure
from longboat.node.eviction.admit import EVICTED
from longboat.node.eviction.signals import RESOURCE
from longboat.node.host_ports import HostPort, host_ports
from longboat.node.pod_actions import LONGEST_RETRY
from longboat.node.pod_worker import TERMINATED, PodWorker
from longboat.node.probes import Probes
from longboat.node.recorder import WARNING
from longboat.node.state import Waiting
from longboat.node.stop import AT_ONCE
from longboat.node.tools import Tools
from longboat.node.views.pod import Pod

log = logging.getLogger(__name__)
RETRY = 1.0  # seconds after the runtime failed
TURN = 5.0  # seconds after which one no longer counts: a volume's server may have gone


class PodWorkers:
    """`host_ports_changed` is told of every published port whenever that set may have changed."""

    def __init__(self, tools: Tools, host_ports_changed: Callable[[list[HostPort]], None] = lambda ports: None) -> None:
        self._tools = tools
        self.clock, self.recorder = tools.clock, tools.recorder
        self.admitter = Admitter(tools.own_node, tools.node, tools.recorder, self, tools.unsafe_sysctls)
        self.evictions = Counter[str]()  # by signal
        self.starting = 0  # sandboxes and containers being started, or waiting for their turn
        self._starts = asyncio.Semaphore(tools.starts)
        self.probes = Probes(tools.runtime, tools.clock, tools.recorder, self.wake)
        self.allocatable: Mapping[str, str] = {}
        self.pressed: Callable[[Pod], Waiting | None] = lambda pod: None  # why the node takes no more such pods now
        self.may_run: Callable[[str], bool] = lambda uid: True  # whether the runtime may know a pod already
        self._host_ports_changed, self._published = host_ports_changed, list[HostPort]()
        self._workers: dict[str, PodWorker] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._timers: dict[str, Timer] = {}
        self._tasks = Tasks("pods")

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        await self.probes.close()
        await self._tasks.close()
        await self._tools.volumes.close()

    # What others tell us.

    def update(self, pod: Pod) -> None:
        """The API's word on a pod of this node."""
        worker = self._workers.get(pod.uid)
        if worker is None:
            worker = PodWorker(pod, self._tools, self.probes, self, stale=self.may_run(pod.uid))
            self._workers[pod.uid] = worker
            self.admitter.arrive(worker)
            self._go(pod.uid)
            return
        before = worker.share.wanted
        worker.share.ask(pod)
        self._tools.writer.seen(pod)
        if _must_interrupt(before, pod):
            self._interrupt(pod.uid)
        if _is_edited(before, pod):
            self.admitter.remark(pod, before)
            worker.edited()
        if _matters(before, pod):
            self._go(pod.uid)

    def remove(self, uid: str) -> None:
        """The API no longer has the pod: whatever is left of it goes."""
        worker = self._workers.get(uid)
        if worker is not None:
            worker.vanish()
            if worker.phase != TERMINATED:
                self._interrupt(uid)
            self._go(uid)

    def poke(self, uid: str) -> None:
        """Something happened to one of the pod's containers."""
        worker = self._workers.get(uid)
        if worker is not None:
            worker.sight.stale = True
            if worker.phase != TERMINATED:
                self._go(uid)

    def refresh(self, uid: str) -> None:
        """What one of the pod's volumes is made of has changed."""
        worker = self._workers.get(uid)
        if worker is not None:
            worker.refresh_soon()
            self._go(uid)

    def evict(
        self, uid: str, why: str, grace: float | None = AT_ONCE, *, signal: str = "",
        notes: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """End a pod that takes more than it may, or for whom there is no more room: `signal` says of what. It has
        `grace` seconds if it would have more. `notes` are annotations of the Event."""
        worker = self._workers.get(uid)
        if worker is not None and worker.is_evictable:
            self.recorder.pod(worker.pod, WARNING, EVICTED, why, notes=notes)
            self.evictions[signal] += 1
            worker.fail(Waiting(EVICTED, why), grace, why if signal in RESOURCE else "")
            self._interrupt(uid)
            self._go(uid)

    def preempt(self, uid: str) -> None:
        """End a pod for the sake of a critical one; it has its own grace period."""
        worker = self._workers[uid]
        self.recorder.pod(worker.pod, WARNING, preemption.REASON, preemption.MESSAGE)
        worker.fail(Waiting(preemption.REASON, preemption.MESSAGE), None, preemption.TARGETED)
        self._interrupt(uid)
        self._go(uid)

    def evictable(self) -> list[Pod]:
        """Those that run: also who is about to end takes room until then, and may take long."""
        return [worker.pod for worker in self._workers.values() if worker.is_evictable]

    def is_cleared(self, uid: str) -> bool:
        """Nothing of the pod takes room any more."""
        worker = self._workers.get(uid)
        return worker is None or worker.is_cleared

    def wake(self, uid: str) -> None:
        """What is known of the pod has changed, though not in the runtime."""
        if uid in self._workers:
            self._go(uid)

    # What workers ask for.

    @asynccontextmanager
    async def start_slot(self) -> AsyncIterator[None]:
        """A turn at starting something: more at once would only take longer. What hangs does not keep its turn."""
        self.starting += 1
        try:
            await self._starts.acquire()
            held = ExitStack()
            held.callback(self._starts.release)
            timer = self.clock.call_later(TURN, held.close)
            try:
                yield
            finally:
                timer.cancel()
                held.close()
        finally:
            self.starting -= 1

    def refusal(self, worker: PodWorker, wanted: Pod) -> Waiting | None:
        """Why the node cannot give a pod what it asks for."""
        return allocation.refusal(wanted, [other.pod for other in self.beside(worker.uid)], self.allocatable)

    async def may_begin(self, worker: PodWorker) -> bool:
        """Whether nothing stands in the pod's way. Raises StatusError, OSError."""
        return await self.admitter.may_begin(worker)

    def beside(self, uid: str) -> list[PodWorker]:
        """Those that take room on the node beside this one."""
        return [other for other in self._workers.values() if other.uid != uid and other.takes_room]

    def room_made(self) -> None:
        """Some pod takes less than before: those that wait for room ask again, in their order."""
        waiting = [worker.share for worker in self._workers.values() if worker.share.is_deferred]
        for share in sorted(waiting, key=lambda s: allocation.turn(s.wanted, s.allocation.given, s.waits_since)):
            self._go(share.wanted.uid)
        for uid in self.admitter.waiting:
            self._go(uid)

    def one_ended(self, worker: PodWorker) -> None:
        """Write the status of a pod that is being taken down, one container further."""
        self._tasks.spawn("status", self._observe_and_publish(worker))

    def forget(self, worker: PodWorker) -> None:
        """The pod has gone for good."""
        pod = worker.pod
        self._workers.pop(pod.uid, None)
        self._tools.observer.forget(worker.observed)
        self._tools.backoff.forget(f"{pod.uid}/")
        self._tools.images.forget(pod)
        self._tools.sources.forget(pod)
        self._tools.writer.forget(pod.uid)
        self.probes.forget(pod.uid)
        self.admitter.forget(pod.uid)

    def report_host_ports(self) -> None:
        ports = sorted(
            port
            for worker in self._workers.values()
            if worker.phase != TERMINATED and worker.observed.sandbox
            for port in host_ports(worker.pod, worker.observed.network.ips)
        )
        if ports != self._published:
            self._published = ports
            self._host_ports_changed(ports)

    # What the agent asks.

    @property
    def uids(self) -> set[str]:
        return set(self._workers)

    def get(self, uid: str) -> PodWorker | None:
        return self._workers.get(uid)

    def find(self, namespace: str, name: str) -> PodWorker | None:
        """By name: the pod that runs, rather than one of that name that is ending."""
        found = [
            w for w in self._workers.values() if (w.pod.metadata.namespace, w.pod.metadata.name) == (namespace, name)
        ]
        return min(found, key=lambda worker: worker.must_end(), default=None)

    def pods(self) -> Iterable[Pod]:
        return [worker.pod for worker in self._workers.values()]

    # One worker at work per pod.

    def _go(self, uid: str) -> None:
        if timer := self._timers.pop(uid, None):
            timer.cancel()
        if uid in self._running:
            self._again.add(uid)
        elif worker := self._workers.get(uid):
            self._running[uid] = self._tasks.spawn(worker.pod.metadata.name, self._work(worker))

    def _interrupt(self, uid: str) -> None:
        """Whatever the worker waits for no longer matters: it starts over."""
        if task := self._running.get(uid):
            self._again.add(uid)
            task.cancel()

    async def _work(self, worker: PodWorker) -> None:
        uid = worker.uid
        self._again.discard(uid)
        try:
            await worker.run()
        except (RuntimeFailure, StatusError, OSError) as failure:
            log.warning("pod %s: %s; trying again", worker.pod, failure)
            self._try_again(worker)
        except Exception as error:  # whatever is odd about it, the pod is not given up
            log.exception("pod %s: trying again", worker.pod)
            self.recorder.pod(worker.pod, WARNING, "FailedSync", f"Error syncing pod: {type(error).__name__}")
            self._try_again(worker)
        else:
            worker.failures = 0
        finally:
            self._running.pop(uid, None)
            if uid in self._workers:
                if uid in self._again:
                    self._again.discard(uid)
                    self._go(uid)
                elif worker.wake is not None:
                    self._timers[uid] = self.clock.call_later(worker.wake, lambda: self._go(uid))
            else:
                self._again.discard(uid)

    def _try_again(self, worker: PodWorker) -> None:
        worker.failures += 1
        worker.wake, worker.sight.stale = doubling(worker.failures, RETRY, LONGEST_RETRY), True

    async def _observe_and_publish(self, worker: PodWorker) -> None:
        try:
            worker.sight.observed = await self._tools.observer.observe(worker.uid, worker.observed)
        except RuntimeFailure as failure:
            log.debug("cannot look at %s: %s", worker.pod, failure)
            return
        worker.publish()


def _must_interrupt(before: Pod, after: Pod) -> bool:
    """A deletion that has begun or has become more urgent does not wait for what is under way."""
    old, new = before.metadata, after.metadata
    if new.deletionTimestamp is None:
        return False
    if old.deletionTimestamp is None:
        return True
    return (new.deletionGracePeriodSeconds or 0) < (old.deletionGracePeriodSeconds or 0)


def _is_edited(before: Pod, after: Pod) -> bool:
    old, new = before.metadata, after.metadata
    return (before.spec, old.labels, old.annotations) != (after.spec, new.labels, new.annotations)


def _matters(before: Pod, after: Pod) -> bool:
    """Whether a change is more than the status we have written ourselves."""
    old, new = before.metadata, after.metadata
    deletion = (old.deletionTimestamp, old.deletionGracePeriodSeconds)
    if _is_edited(before, after) or deletion != (new.deletionTimestamp, new.deletionGracePeriodSeconds):
        return True
    if before.status.phase != after.status.phase or before.status.startTime != after.status.startTime:
        return after.is_finished or after.spec.activeDeadlineSeconds is not None
    gates = {gate.conditionType for gate in after.spec.readinessGates}
    return bool(gates) and _gates(before, gates) != _gates(after, gates)


def _gates(pod: Pod, names: set[str]) -> dict[str, str]:
    return {c.type: c.status for c in pod.status.conditions if c.type in names}
