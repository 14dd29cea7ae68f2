"""How much lies in directories that belong to somebody else: found out in small steps, whoever fills them."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.node.eviction.usage import Disk
from longboat.node.volumes import tree

log = logging.getLogger(__name__)
STEP = 2000  # entries that are looked at in one go: some milliseconds
REST = 3.0  # times as long as a step took, nothing is looked at
MOST = 100_000  # directories that are remembered for later
Place = tuple[Path, float]  # and after how many bytes it need not be known more exactly


class Walk:
    """`enough` is after how many bytes it need not be known more exactly. Files with several names count once: a
    share of them with each name, so that nothing has to be remembered of them."""

    def __init__(self, folder: Path, enough: float = float("inf")) -> None:
        self._folder, self._enough = folder, enough
        self._entries: Iterator[tuple[int, str]] | None = None
        self._bytes = self._inodes = 0.0
        self.looked = 0  # at so many entries

    @property
    def found(self) -> Disk:
        """So far."""
        return Disk(round(self._bytes), round(self._inodes))

    def step(self, entries: int = STEP) -> bool:
        """Look at some more; whether that was all. What is not there is empty. Blocks. Raises OSError."""
        try:
            return self._step(entries)
        except FileNotFoundError:
            return True
        except tree.Moved:
            log.info("directories in %s are moved about: at least %d bytes are in use", self._folder, self._bytes)
            return True

    def _step(self, entries: int) -> bool:
        if self._entries is None:
            here = os.stat(self._folder, follow_symlinks=False)
            self._count(here)
            if not stat.S_ISDIR(here.st_mode):
                return True
            self._entries = tree.entries(self._folder, MOST)
        until = self.looked + entries
        for where, name in islice(self._entries, entries):
            self.looked += 1
            try:
                self._count(os.stat(name, dir_fd=where, follow_symlinks=False))
            except FileNotFoundError:
                continue  # the pod is at work
            if self._bytes > self._enough:
                return True
        return self.looked < until

    def _count(self, found: os.stat_result) -> None:
        names = 1 if stat.S_ISDIR(found.st_mode) else max(found.st_nlink, 1)
        self._bytes += found.st_blocks * 512 / names
        self._inodes += 1 / names


class Walks:
    """Measures in turns, a step at a time: a large directory delays nobody, and all together take a quarter of one
    processor at the most."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()

    async def measure(self, places: Iterable[Place], patience: float | None = None) -> list[Disk]:
        """What was found in each place within `patience` seconds. Raises OSError."""
        walks, began = [Walk(*place) for place in places], self._clock.monotonic()
        waiting = deque(walks)
        while waiting:
            async with self._turn:
                since = self._clock.monotonic()
                await asyncio.to_thread(step, waiting)
                now = self._clock.monotonic()
                await self._clock.sleep((now - since) * REST)
            if patience is not None and now - began > patience:
                break
        return [walk.found for walk in walks]


def step(waiting: deque[Walk]) -> None:
    """Look at some entries, where one place is large next time in another; takes out those that are done. Blocks.
    Raises OSError."""
    left = STEP
    while waiting and left > 0:
        walk, before = waiting[0], waiting[0].looked
        if walk.step(left):
            waiting.popleft()
        else:
            waiting.rotate(-1)
        left -= walk.looked - before + 1
