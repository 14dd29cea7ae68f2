"""Removes what nobody needs any more: dead containers, sandboxes that hold nothing, full logs."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import shutil
from collections.abc import Awaitable, Iterable
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.node import logs
from longboat.node.cri.interface import Container, Runtime, RuntimeFailure, Sandbox

log = logging.getLogger(__name__)
EVERY = 60.0  # seconds
ROTATE_EVERY, MAX_LOG, MAX_FILES = 10.0, 10 << 20, 5  # kubelet: containerLogMaxSize, containerLogMaxFiles


def dead_containers(containers: Iterable[Container]) -> list[Container]:
    """Of each container of a pod the newest is kept, and one more where that runs (its log is --previous). Pure."""
    by_name: dict[tuple[str, str], list[Container]] = {}
    for container in containers:
        by_name.setdefault((container.uid, container.name), []).append(container)
    dead = []
    for listed in by_name.values():
        newest, *others = sorted(listed, key=lambda c: (c.created, c.attempt), reverse=True)
        ended = [c for c in others if c.state == "exited"]
        dead += ended[0 if newest.state == "exited" else 1 :]
    return dead


def dead_sandboxes(sandboxes: Iterable[Sandbox], containers: Iterable[Container]) -> list[Sandbox]:
    """Sandboxes that have ended, hold nothing and are not the newest of their pod. Pure."""
    used, newest = {c.sandbox for c in containers}, dict[str, Sandbox]()
    listed = list(sandboxes)
    for sandbox in listed:
        if sandbox.uid not in newest or sandbox.attempt > newest[sandbox.uid].attempt:
            newest[sandbox.uid] = sandbox
    return [s for s in listed if not s.ready and s.id not in used and newest[s.uid].id != s.id]


class Garbage:
    """One per agent."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime, self._clock = runtime, clock

    async def collect(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(EVERY)
            try:
                await self.remove_dead()
            except (RuntimeFailure, OSError) as failure:
                log.warning("garbage was not collected: %s", failure)

    async def rotate_logs(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(ROTATE_EVERY)
            try:
                for container in await self._runtime.containers():
                    if container.state == "running":
                        await self._try(self._rotate(container.id), "a log was not rotated")
            except RuntimeFailure as failure:
                log.warning("logs were not rotated: %s", failure)

    async def remove_dead(self) -> None:
        """Containers and sandboxes. Raises RuntimeFailure."""
        sandboxes, containers = await self._runtime.sandboxes(), await self._runtime.containers()
        for container in dead_containers(containers):
            await self._try(self._container(container.id), "a container was not removed")
        for sandbox in dead_sandboxes(sandboxes, await self._runtime.containers()):
            await self._try(self._runtime.remove_sandbox(sandbox.id), "a sandbox was not removed")

    async def _container(self, id: str) -> None:
        path = Path((await self._runtime.container_status(id)).log_path)
        await self._runtime.remove_container(id)
        await asyncio.to_thread(logs.remove, path)

    @staticmethod
    async def _try(work: Awaitable[None], otherwise: str) -> bool:
        """What does not succeed is tried the next time, and keeps nothing else from it. Whether it did."""
        try:
            await work
        except (RuntimeFailure, OSError) as failure:
            log.warning("%s: %s", otherwise, failure)
            return False
        return True

    async def _rotate(self, id: str) -> None:
        path = Path((await self._runtime.container_status(id)).log_path)
        if not await asyncio.to_thread(_is_too_long, path):
            return
        stamp = self._clock.now().strftime("%Y%m%d-%H%M%S")
        aside = path.with_name(f"{path.name}.{stamp}")
        await asyncio.to_thread(os.rename, path, aside)
        try:
            await self._runtime.reopen_log(id)
        except RuntimeFailure:
            await asyncio.to_thread(os.rename, aside, path)
            raise
        await asyncio.to_thread(_thin_out, path, aside)


def _is_too_long(path: Path) -> bool:
    try:
        return path.stat().st_size > MAX_LOG
    except FileNotFoundError:
        return False


def _thin_out(path: Path, newest: Path) -> None:
    """Compress all rotated parts but the newest, and keep only so many. Blocks."""
    for number, part in enumerate(logs.rotated(path), start=2):
        if number > MAX_FILES:
            part.unlink()
        elif part != newest and part.suffix != ".gz":
            packed = part.with_name(f"{part.name}.gz")
            with part.open("rb") as plain, gzip.open(packed, "wb") as out:
                shutil.copyfileobj(plain, out)
            part.unlink()
