"""Node-pressure eviction: looks whether the node runs short, makes room, and ends one pod at a time where that is not
enough (kubelet's eviction manager)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Protocol

from longboat.aio.clock import Clock
from longboat.node import rules
from longboat.node.cri.interface import RuntimeFailure
from longboat.node.critical import is_critical
from longboat.node.eviction import admit, ranking, signals
from longboat.node.eviction.measure import Measure
from longboat.node.eviction.neighbours import Neighbours
from longboat.node.eviction.sensors import Sensors
from longboat.node.eviction.signals import IMAGEFS, IMAGEFS_INODES, NODEFS, NODEFS_INODES, Observations
from longboat.node.eviction.thresholds import Threshold
from longboat.node.eviction.usage import EVERYTHING, LOGS, ROOT, VOLUMES, PodUse
from longboat.node.eviction.watch import Watch
from longboat.node.recorder import WARNING, Recorder
from longboat.node.state import Waiting
from longboat.node.stop import AT_ONCE
from longboat.node.views.pod import Pod

log = logging.getLogger(__name__)
CLEANUP, POLL = 30.0, 0.5  # seconds to wait for an evicted pod to be gone, and between looks whether it is
DISK = (NODEFS, NODEFS_INODES, IMAGEFS, IMAGEFS_INODES)


class Pods(Protocol):
    """What of the node's pods is asked and done."""

    def evictable(self) -> list[Pod]:
        """Those that run."""
        ...

    def evict(
        self, uid: str, why: str, grace: float | None = AT_ONCE, *, signal: str = "",
        notes: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """End a pod within `grace` seconds (None: its own)."""
        ...

    def is_cleared(self, uid: str) -> bool:
        """Nothing of it takes room any more."""
        ...


class Eviction:
    """`reclaim` removes what nobody needs: dead containers, unused images. `changed` hears of other conditions."""

    def __init__(
        self, clock: Clock, settings: rules.Eviction, sensors: Sensors, measure: Measure, pods: Pods,
        recorder: Recorder, reclaim: Callable[[], Awaitable[None]], neighbours: Neighbours,
        changed: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._clock, self._settings, self._sensors, self._measure = clock, settings, sensors, measure
        self._pods, self._recorder, self._reclaim = pods, recorder, reclaim
        self._neighbours, self._changed = neighbours, changed
        self._watch = Watch(settings.thresholds, settings.transition)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Types of the Node's conditions that are true."""
        return self._watch.conditions

    def refusal(self, pod: Pod) -> Waiting | None:
        """Why the pod is not taken now."""
        return admit.refusal(pod, self.conditions)

    async def watch(self) -> None:
        """Until cancelled."""
        await asyncio.to_thread(self._neighbours.prepare)
        while True:
            evicted = None
            try:
                evicted = await self._look()
            except OSError as error:
                log.warning("cannot see what the node has left: %s", error)
            if evicted is None:
                await self._clock.sleep(self._settings.every)
            else:
                await self._cleared(evicted)

    async def _look(self) -> Pod | None:
        """The pod that was evicted. Raises OSError."""
        before = self.conditions
        seen = await asyncio.to_thread(self._sensors.read)
        due = self._watch.look(seen, self._clock.monotonic())
        if self.conditions != before:
            log.info("the node is under pressure: %s", ", ".join(self.conditions) or "no more")
            self._changed()
        if not due:
            await asyncio.to_thread(self._neighbours.withdraw)
            return None
        resource = signals.RESOURCE[due[0].signal]
        self._recorder.node(WARNING, "EvictionThresholdMet", f"Attempting to reclaim {resource}")
        dedicated = self._sensors.dedicated
        if await self._is_relieved(due[0].signal, dedicated):
            await asyncio.to_thread(self._neighbours.withdraw)
            return None
        return await self._evict_one(due, seen, resource, _parts(due[0].signal, dedicated))

    async def _is_relieved(self, signal: str, dedicated: bool) -> bool:
        """Make room on the disk that runs short, if images and containers are on it; whether that is enough."""
        if signal not in DISK or (dedicated and signal in (NODEFS, NODEFS_INODES)):
            return False
        try:
            await self._reclaim()
        except (RuntimeFailure, OSError) as failure:
            log.warning("not all that nobody needs was removed: %s", failure)
        return self._watch.is_relieved(await asyncio.to_thread(self._sensors.read))

    async def _evict_one(
        self, due: tuple[Threshold, ...], seen: Observations, resource: str, parts: Collection[str]
    ) -> Pod | None:
        threshold, source = due[0], seen[due[0].signal].source
        pods = self._pods.evictable()
        uses = await self._uses(resource, pods)
        for rank, pod in ranking.ranked(resource, pods, uses, parts):
            if is_critical(pod):
                log.warning("the node is short of %s: critical pod %s stays all the same", resource, pod)
                continue
            if not await asyncio.to_thread(self._neighbours.may_evict, source, resource, rank):
                return None
            await asyncio.to_thread(self._neighbours.hold)
            why, notes = ranking.message(resource, pod, uses.get(pod.uid), due, seen)
            self._pods.evict(pod.uid, why, self._grace(threshold, pod), signal=threshold.signal, notes=notes)
            return pod
        log.warning("the node is short of %s, and there is no pod to evict", resource)
        return None

    def _grace(self, threshold: Threshold, pod: Pod) -> float | None:
        if threshold.is_hard:
            return AT_ONCE
        most = self._settings.max_pod_grace
        return None if most < 0 else float(min(most, pod.spec.terminationGracePeriodSeconds))

    async def _uses(self, resource: str, pods: Iterable[Pod]) -> dict[str, PodUse]:
        if resource in ("memory", signals.PROCESSES):
            return await self._measure.processes(pods)
        return await self._measure.disks(pods)

    async def _cleared(self, pod: Pod) -> None:
        """Wait until what the pod had is free: before, another look would cost the next pod its place."""
        began = self._clock.monotonic()
        while not self._pods.is_cleared(pod.uid):
            if self._clock.monotonic() - began > CLEANUP:
                log.warning("evicted pod %s is still there", pod)
                return
            await self._clock.sleep(POLL)


def _parts(signal: str, dedicated: bool) -> Collection[str]:
    """What of pods lies on the disk that the signal is about."""
    if not dedicated:
        return EVERYTHING
    return (ROOT,) if signal in (IMAGEFS, IMAGEFS_INODES) else (LOGS, VOLUMES)
