"""Removes images that nobody uses: when the disk with images fills, and at once where a node is short of disk."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from longboat.aio.clock import Clock
from longboat.node.cri.interface import Image, Runtime, RuntimeFailure
from longboat.node.paths import Paths
from longboat.node.recorder import WARNING, Recorder
from longboat.node.rules import ImagePolicy
from longboat.node.volumes.image import shown

log = logging.getLogger(__name__)
EVERY = 300.0  # seconds between looks (kubelet, image garbage collection period)


class Seen(NamedTuple):
    """When an image was first seen, and when it last was in use."""

    since: float
    used: float


def noted(images: Iterable[Image], used: set[str], before: Mapping[str, Seen], now: float) -> dict[str, Seen]:
    """What is known of the images that are there now, by id. Pure."""
    found = {}
    for image in images:
        seen = before.get(image.id, Seen(now, float("-inf")))
        found[image.id] = Seen(seen.since, now) if _names(image) & used else seen
    return found


def candidates(
    images: Iterable[Image], used: set[str], seen: Mapping[str, Seen], now: float, age: float
) -> list[Image]:
    """What may go, that which nobody has used for longest first: neither run nor shown by a pod, and fetched from a
    registry, so that it can be again. Pure."""
    free = [i for i in images if i.digests and not i.pinned and not _names(i) & used and now - seen[i.id].since >= age]
    return sorted(free, key=lambda image: (seen[image.id].used, seen[image.id].since, image.id))


class ImageGarbage:
    """`place` tells where the runtime keeps images."""

    def __init__(
        self, runtime: Runtime, clock: Clock, recorder: Recorder, paths: Paths, place: Callable[[], Path],
        policy: ImagePolicy,
    ) -> None:  # fmt: skip
        self._runtime, self._clock, self._recorder = runtime, clock, recorder
        self._paths, self._place, self._policy = paths, place, policy
        self._seen: dict[str, Seen] | None = None
        self._pause = ""

    async def collect(self) -> None:
        """Until cancelled."""
        while True:
            try:
                images, used = await self._look()
                if await asyncio.to_thread(_fullness, self._place()) >= self._policy.high:
                    await self._remove_some(images, used)
            except (RuntimeFailure, OSError) as failure:
                log.warning("images were not looked through: %s", failure)
            await self._clock.sleep(EVERY)

    async def remove_unused(self) -> None:
        """All of them. Raises RuntimeFailure, OSError."""
        images, used = await self._look()
        for image in self._candidates(images, used):
            await self._remove(image)

    async def _remove_some(self, images: list[Image], used: set[str]) -> None:
        wanted, freed = await asyncio.to_thread(_excess, self._place(), self._policy.low), 0
        for image in self._candidates(images, used):
            freed += await self._remove(image)
            if await asyncio.to_thread(_fullness, self._place()) < self._policy.low:
                return
        self._recorder.node(
            WARNING, "FreeDiskSpaceFailed",
            "Failed to garbage collect required amount of images. "
            f"Attempted to free {wanted} bytes, but only found {freed} bytes eligible to free.",
        )  # fmt: skip

    async def _remove(self, image: Image) -> int:
        """How many bytes that frees. One that cannot be removed keeps no other from it."""
        name = " ".join(image.tags) or image.id
        try:
            await self._runtime.remove_image(image.id)
        except RuntimeFailure as failure:
            log.warning("image %s was not removed: %s", name, failure)
            return 0
        log.info("removed image %s: the disk is filling", name)
        return image.size

    def _candidates(self, images: list[Image], used: set[str]) -> list[Image]:
        return candidates(images, used, self._seen or {}, self._clock.monotonic(), self._policy.age)

    async def _look(self) -> tuple[list[Image], set[str]]:
        """All images, and the names of those in use. What is there at the start may be as old as the node."""
        if self._seen is None:
            self._pause = (await self._runtime.features()).sandbox_image
        used = {name for container in await self._runtime.containers() for name in container.images}
        used |= {self._pause} | await asyncio.to_thread(shown, self._paths)
        images, now = await self._runtime.images(), self._clock.monotonic()
        if self._seen is None:
            self._seen = {image.id: Seen(float("-inf"), float("-inf")) for image in images}
        self._seen = noted(images, used, self._seen, now)
        return images, used


def _names(image: Image) -> set[str]:
    return {image.id, *image.tags, *image.digests}


def _fullness(place: Path) -> float:
    """In percent."""
    found = os.statvfs(place)
    return 100 - 100 * found.f_bavail / found.f_blocks if found.f_blocks else 0.0


def _excess(place: Path, low: int) -> int:
    """Bytes that have to go until it is so full."""
    found = os.statvfs(place)
    return max(int(found.f_blocks * (100 - low) / 100) - found.f_bavail, 0) * found.f_frsize
