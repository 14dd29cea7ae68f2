"""What keeps a node from filling up and from running short: garbage, limits of local storage, eviction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.aio.parts import Parts
from longboat.node.cri.interface import Runtime, RuntimeFailure
from longboat.node.eviction.local_limits import Excess
from longboat.node.eviction.local_storage import LocalStorage
from longboat.node.eviction.manager import Eviction
from longboat.node.eviction.measure import Measure
from longboat.node.eviction.neighbours import Neighbours
from longboat.node.eviction.sensors import Sensors
from longboat.node.eviction.signals import DISK_PRESSURE, MEMORY_PRESSURE, PID_PRESSURE
from longboat.node.eviction.walk import Walks
from longboat.node.garbage import Garbage
from longboat.node.image_garbage import ImageGarbage
from longboat.node.machine import Pressure
from longboat.node.paths import Paths
from longboat.node.pod_workers import PodWorkers
from longboat.node.recorder import Recorder
from longboat.node.rules import Rules

log = logging.getLogger(__name__)


class Upkeep:
    """One per agent that runs real pods. `changed` hears when the node comes under pressure or is free of it."""

    def __init__(
        self, runtime: Runtime, clock: Clock, recorder: Recorder, rules: Rules, name: str, paths: Paths,
        cgroup_root: str, workers: PodWorkers, changed: Callable[[], None],
    ) -> None:  # fmt: skip
        self._runtime = runtime
        every = rules.eviction.every
        self._sensors = Sensors(paths.root, cgroup_root)
        measure = Measure(runtime, paths, Walks(clock), cgroup_root)
        self._garbage = Garbage(runtime, clock)
        self._images = ImageGarbage(runtime, clock, recorder, paths, lambda: self._sensors.images, rules.images)

        def evict(uid: str, found: Excess) -> None:
            workers.evict(uid, found.message, signal=found.signal)

        self._storage = LocalStorage(clock, workers.evictable, measure, evict, lambda: self._sensors.dedicated, every)
        neighbours = Neighbours(rules.neighbours, name, clock, notice=every)
        self._eviction = Eviction(
            clock, rules.eviction, self._sensors, measure, workers, recorder, self._reclaim, neighbours, changed
        )  # fmt: skip
        workers.pressed = self._eviction.refusal

    @property
    def pressure(self) -> Pressure:
        found = self._eviction.conditions
        return Pressure(memory=MEMORY_PRESSURE in found, disk=DISK_PRESSURE in found, pids=PID_PRESSURE in found)

    async def start(self, parts: Parts) -> None:
        await self._find_images()
        parts.start("eviction", self._eviction.watch)
        parts.start("local storage", self._storage.watch)
        parts.start("images", self._images.collect)
        parts.start("garbage", self._garbage.collect)
        parts.start("log rotation", self._garbage.rotate_logs)

    async def _find_images(self) -> None:
        """Where the runtime does not say, or is not of this file system, images count as lying beside pods' files."""
        try:
            if place := await self._runtime.image_place():
                await asyncio.to_thread(self._sensors.use_images, Path(place))
        except (RuntimeFailure, OSError) as failure:
            log.warning("where images are is not known: %s", failure)

    async def _reclaim(self) -> None:
        """Remove all that nobody needs. Raises RuntimeFailure, OSError."""
        await self._garbage.remove_dead()
        await self._images.remove_unused()
