"""The pods that wait for a node: ready to try, backing off, or waiting for the cluster to change."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable

from longboat.aio.clock import Clock, Timer
from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import Change

FIRST_BACKOFF = 1.0  # seconds (kube-scheduler, podInitialBackoffSeconds)
LONGEST_BACKOFF = 10.0
# What brings pods into a queue (kube-scheduler, cluster events); of a change that is several, the first tells.
ADDED, FAILED, RESTED, WAITED = (
    "UnschedulablePodAdd", "ScheduleAttemptFailure", "BackoffComplete", "UnschedulableTimeout"
)  # fmt: skip
EVENTS = {
    Change.NODE_ADDED: "NodeAdd", Change.NODE_LABELS: "NodeUpdateNodeLabel", Change.NODE_TAINTS: "NodeUpdateNodeTaint",
    Change.NODE_ALLOCATABLE: "NodeUpdateNodeAllocatable", Change.POD_PLACED: "AssignedPodAdd",
    Change.POD_GONE: "AssignedPodDelete", Change.POD_UPDATED: "UnschedulablePodUpdate", Change.STORAGE: "Storage",
}  # fmt: skip
LONGEST_WAIT = 300.0  # after which an unschedulable pod is tried again whatever happened


class Waiting:
    """A pod in the queue."""

    __slots__ = ("attempts", "changes", "cures", "info", "plugins", "ready_at", "since")

    def __init__(self, info: PodInfo, since: float) -> None:
        self.info = info
        self.since = since
        self.attempts = 0
        self.cures = Change(0)
        self.changes = Change(0)  # what changed while this attempt ran
        self.ready_at = 0.0
        self.plugins: Iterable[str] = ()  # that refused it last


class Queue:
    """Highest priority first, then longest in the queue.

    A pod that found no node waits until a change of a kind that could help it; after each failed attempt it also
    sits out a backoff. Changes that happen while a pod is being tried are remembered, so none is missed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: dict[str, Waiting] = {}
        self._active: list[tuple[int, float, int, str]] = []
        self._trying: dict[str, Waiting] = {}
        self._unschedulable: dict[str, Waiting] = {}
        self._timers: dict[str, Timer] = {}
        self._order = itertools.count()
        self._wake = asyncio.Event()
        self.incoming = Counter[tuple[str, str]]()  # pods, by event and queue

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, uid: str) -> bool:
        return uid in self._all

    @property
    def ready(self) -> int:
        """How many could be tried at once."""
        return len(self._active)

    def find(self, uid: str) -> Waiting | None:
        return self._all.get(uid)

    def pending(self) -> dict[str, int]:
        """How many wait in each of the queues; those that are being tried are in none."""
        unschedulable = len(self._unschedulable)
        backoff = len(self._timers) - unschedulable
        active = len(self._all) - len(self._trying) - unschedulable - backoff
        return {"active": max(active, 0), "backoff": max(backoff, 0), "unschedulable": unschedulable}

    def refused(self) -> Counter[str]:
        """How many pods each plugin refused when they were last tried."""
        return Counter(plugin for waiting in list(self._all.values()) for plugin in waiting.plugins)

    def put(self, info: PodInfo) -> None:
        """A pod that is new, or has changed in a way that matters to scheduling."""
        waiting = self._all.get(info.uid)
        if waiting is None:
            waiting = self._all[info.uid] = Waiting(info, self._clock.monotonic())
            self._activate(waiting, ADDED)
            return
        waiting.info = info
        waiting.changes |= Change.POD_UPDATED
        self._reconsider(info.uid, EVENTS[Change.POD_UPDATED])

    def refresh(self, info: PodInfo) -> None:
        """What changed about the pod does not matter to scheduling."""
        if waiting := self._all.get(info.uid):
            waiting.info = info

    def again(self, uid: str) -> None:
        """Another try for this pod, whatever it waits for."""
        if waiting := self._all.get(uid):
            waiting.changes |= Change.POD_UPDATED
            self._reconsider(uid, EVENTS[Change.POD_UPDATED])

    def remove(self, uid: str) -> None:
        """The pod needs no node any more. Its entry among the active is skipped when its turn comes."""
        self._all.pop(uid, None)
        self._trying.pop(uid, None)
        self._unschedulable.pop(uid, None)
        if timer := self._timers.pop(uid, None):
            timer.cancel()

    async def next(self) -> PodInfo:
        """The next pod to try. It counts as being tried until `failed`, or `remove`."""
        while True:
            while self._active:
                *_, uid = heapq.heappop(self._active)
                waiting = self._all.get(uid)
                if waiting is not None and uid not in self._trying:
                    waiting.attempts += 1
                    waiting.changes = Change(0)
                    self._trying[uid] = waiting
                    return waiting.info
            self._wake.clear()
            await self._wake.wait()

    def failed(self, uid: str, cures: Change, plugins: Iterable[str] = ()) -> None:
        """No node was found, `plugins` refused all: wait for one of `cures`. Change(0): the attempt itself failed, try
        again after backoff."""
        waiting = self._trying.pop(uid, None)
        if waiting is None:
            return
        waiting.cures, waiting.plugins = cures | Change.POD_UPDATED, plugins
        waiting.ready_at = self._clock.monotonic() + backoff(waiting.attempts)
        if not cures or waiting.changes & waiting.cures:
            self._rest(waiting, FAILED)
            return
        self._unschedulable[uid] = waiting
        self.incoming[FAILED, "unschedulable"] += 1
        self._timers[uid] = self._clock.call_later(LONGEST_WAIT, lambda: self._reconsider(uid, WAITED))

    def changed(self, change: Change, helps: Callable[[PodInfo], bool] | None = None) -> None:
        """Something changed in the cluster: pods it may help (all, unless `helps` knows better) get another try."""
        for waiting in self._trying.values():
            if helps is None or helps(waiting.info):
                waiting.changes |= change
        helped = [
            uid
            for uid, waiting in self._unschedulable.items()
            if waiting.cures & change and (helps is None or helps(waiting.info))
        ]
        event = next((EVENTS[each] for each in change), "") if helped else ""
        for uid in helped:
            self._reconsider(uid, event)

    def _reconsider(self, uid: str, event: str) -> None:
        if waiting := self._unschedulable.pop(uid, None):
            self._rest(waiting, event)

    def _rest(self, waiting: Waiting, event: str) -> None:
        uid = waiting.info.uid
        if timer := self._timers.pop(uid, None):
            timer.cancel()
        left = waiting.ready_at - self._clock.monotonic()
        if left <= 0:
            self._activate(waiting, event)
        else:
            self.incoming[event, "backoff"] += 1
            self._timers[uid] = self._clock.call_later(left, lambda: self._rested(uid))

    def _rested(self, uid: str) -> None:
        self._timers.pop(uid, None)
        if waiting := self._all.get(uid):
            self._activate(waiting, RESTED)

    def _activate(self, waiting: Waiting, event: str) -> None:
        self.incoming[event, "active"] += 1
        entry = (-waiting.info.pod.spec.priority, waiting.since, next(self._order), waiting.info.uid)
        heapq.heappush(self._active, entry)
        self._wake.set()


def backoff(attempts: int) -> float:
    """Seconds to sit out after so many failed attempts."""
    return min(FIRST_BACKOFF * 2.0 ** min(attempts - 1, 10), LONGEST_BACKOFF)
