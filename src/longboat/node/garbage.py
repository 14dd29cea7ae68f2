"""Removes what nobody needs any more: dead containers, pods nobody knows, images when the disk fills, full logs."""

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
from longboat.node.cri.interface import Container, Image, Runtime, RuntimeFailure, Sandbox
from longboat.node.paths import Paths
from longboat.node.volumes.image import shown

log = logging.getLogger(__name__)
EVERY = 60.0  # seconds
ROTATE_EVERY, MAX_LOG, MAX_FILES = 10.0, 10 << 20, 5  # kubelet: containerLogMaxSize, containerLogMaxFiles
HIGH, LOW = 0.85, 0.80  # of the disk: images go from the one until the other (kubelet)


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


def unused_images(images: Iterable[Image], used: set[str]) -> list[Image]:
    """What may go: neither run nor shown by a pod, and fetched from a registry, so that it can be again. Pure."""
    return [i for i in images if i.digests and not i.pinned and not {i.id, *i.tags, *i.digests} & used]


class Garbage:
    """The fullness of the disk with the kubelet's directory counts."""

    def __init__(self, runtime: Runtime, clock: Clock, paths: Paths) -> None:
        self._runtime, self._clock, self._paths = runtime, clock, paths

    async def collect(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(EVERY)
            try:
                await self._containers()
                await self._images()
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

    async def _containers(self) -> None:
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

    async def _images(self) -> None:
        if await asyncio.to_thread(_fullness, self._paths.root) < HIGH:
            return
        statuses = [await self._runtime.container_status(c.id) for c in await self._runtime.containers()]
        used = {name for status in statuses for name in (status.image, status.image_ref)}
        used |= await asyncio.to_thread(shown, self._paths)
        for image in unused_images(await self._runtime.images(), used):
            if await self._try(self._runtime.remove_image(image.id), "an image was not removed"):
                log.info("removed image %s: the disk is filling", " ".join(image.tags) or image.id)
            if await asyncio.to_thread(_fullness, self._paths.root) < LOW:
                return

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


def _fullness(root: Path) -> float:
    found = os.statvfs(root)
    return 1 - found.f_bavail / found.f_blocks if found.f_blocks else 0.0
