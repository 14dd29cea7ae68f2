"""Pods that run here but that the API does not know: they were deleted while no agent was looking."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from longboat.aio.clock import Clock
from longboat.aio.fanout import fan_out
from longboat.machinery.errors import StatusError
from longboat.node.cri.interface import Container, Runtime, RuntimeFailure, Sandbox
from longboat.node.pod_cgroups import PodCgroups
from longboat.node.pod_files import PodFiles
from longboat.node.stop import LEAST_GRACE
from longboat.node.volumes.manager import Volumes

log = logging.getLogger(__name__)
FOLDERS_EVERY = 60.0
AT_ONCE = 16  # containers that are asked to end at a time


class Orphans:
    """`seen` takes in every listing; `remove` does the work. `known` are the uids of pods that have a worker."""

    def __init__(
        self, runtime: Runtime, clock: Clock, files: PodFiles, known: Callable[[], set[str]], volumes: Volumes,
        cgroups: PodCgroups,
    ) -> None:  # fmt: skip
        self._runtime, self._clock, self._files = runtime, clock, files
        self._own, self._volumes, self._cgroups = known, volumes, cgroups
        self._found: asyncio.Queue[tuple[str, list[Sandbox], list[Container]]] = asyncio.Queue(1000)
        self._known: set[str] = set()

    def seen(self, sandboxes: list[Sandbox], containers: list[Container]) -> None:
        """What has no worker is queued once."""
        known = self._own()
        for uid in {s.uid for s in sandboxes} - known - self._known:
            if uid and not self._found.full():
                self._known.add(uid)
                own = [c for c in containers if c.uid == uid]
                self._found.put_nowait((uid, [s for s in sandboxes if s.uid == uid], own))

    async def remove(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with self._clock.timeout(FOLDERS_EVERY):
                    uid, sandboxes, containers = await self._found.get()
            except TimeoutError:
                try:
                    await self._remove_folders()
                except (RuntimeFailure, StatusError, OSError) as failure:
                    log.warning("what dead pods have left was not removed: %s", failure)
                continue
            try:
                await self._remove_pod(uid, sandboxes, containers)
            except (RuntimeFailure, OSError) as failure:
                log.warning("pod %s, which the API does not know, was not removed: %s", uid, failure)
            self._known.discard(uid)

    async def _remove_pod(self, uid: str, sandboxes: list[Sandbox], containers: list[Container]) -> None:
        if uid in self._own():
            return
        log.info("removing pod %s/%s, which the API does not know", sandboxes[0].namespace, sandboxes[0].name)
        running = [container.id for container in containers if container.state == "running"]
        await fan_out(running, lambda id: self._runtime.stop_container(id, LEAST_GRACE), width=AT_ONCE)
        for sandbox in sandboxes:
            await self._runtime.stop_sandbox(sandbox.id)
            await self._runtime.remove_sandbox(sandbox.id)
        await self._volumes.tear_down(uid)

    async def _remove_folders(self) -> None:
        """Directories and cgroups of pods that nobody knows and that run nothing."""
        running = {sandbox.uid for sandbox in await self._runtime.sandboxes()} | self._own()
        for name in await self._files.pods():
            if name not in running:
                try:
                    await self._volumes.tear_down(name)
                except (RuntimeFailure, OSError) as error:
                    log.warning("volumes of dead pod %s were not taken down: %s", name, error)
        await self._volumes.tidy()
        await self._cgroups.remove_others(running)
