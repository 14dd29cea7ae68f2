"""One listing and one watch of the storage, shared by the watch caches of all resources.

Whatever changes anywhere moves every cache's revision, so a quiet resource is known to be fresh without asking.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.storage.interface import Compacted, Event, FutureRevision, Item, Progress, Storage, StorageError

log = logging.getLogger(__name__)

REPLAY = 1000  # revisions before the newest replayed at start, so that clients can resume watches across a restart
RETRY = 0.1  # seconds between attempts to watch a storage that fails
TICK = 10.0  # seconds between notes of progress to idle watchers


class Fed(Protocol):
    """A cache of what lies beneath `prefix`. `unopened`: what is stored and cannot be opened, by key."""

    @property
    def prefix(self) -> str: ...
    @property
    def unopened(self) -> Mapping[str, str]: ...

    def load(self, items: list[Item], revision: int) -> None: ...
    def apply(self, events: list[Event]) -> None: ...
    def tick(self) -> None: ...
    def close(self) -> None: ...


class Feed:
    """Fills the caches attached to it with what lies beneath `root`, then keeps them up to date.

    `revision`: every change up to here has been applied to every cache.
    """

    def __init__(self, storage: Storage, clock: Clock, *, root: str = "/registry/") -> None:
        self.storage = storage
        self.clock = clock
        self.revision = 0
        self._root = root
        self._caches: dict[str, Fed] = {}
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._tasks = Tasks("watchcache")
        self._started: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None

    def attach(self, cache: Fed) -> None:
        """Let `cache` have what lies beneath its prefix. Prefixes never contain one another."""
        if not cache.prefix.startswith(self._root):
            raise ValueError(f"{cache.prefix} is not beneath {self._root}")
        if cache.prefix in self._caches:
            raise ValueError(f"{cache.prefix} has a cache already")
        self._caches[cache.prefix] = cache

    def detach(self, cache: Fed) -> None:
        del self._caches[cache.prefix]

    async def start(self) -> None:
        """Fill every cache attached so far; one attached later is filled by its own start. Raises StorageError."""
        if self._started is None:
            self._started = self._tasks.spawn("start", self._fill())
        await asyncio.shield(self._started)

    async def wait_for(self, revision: int) -> None:
        """Return once every change up to `revision` can be read from the caches."""
        if revision <= self.revision:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = (revision, next(self._order), reached)
        heapq.heappush(self._waiting, waiting)
        try:
            await reached
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                heapq.heapify(self._waiting)
            raise

    async def fresh(self) -> None:
        """Return once the caches hold whatever had been written, by anyone, when this was called."""
        await self.wait_for(await self.storage.current_revision())

    def read_again(self) -> None:
        """Read anew what could not be read: the keys have changed since."""
        if self._following is not None and any(cache.unopened for cache in self._caches.values()):
            self._following.cancel()
            self._following = self._tasks.spawn("follow", self._follow(lost_track=True))

    async def close(self) -> None:
        await self._tasks.close()
        for _, _, reached in self._waiting:
            if not reached.done():
                reached.set_exception(StorageError("the watch cache has been closed"))
        for cache in list(self._caches.values()):
            cache.close()

    async def _fill(self) -> None:
        current = await self.storage.current_revision()
        items, self.revision = await self._list(max(current - REPLAY, min(current, 1)))
        self._load(items)
        self._following = self._tasks.spawn("follow", self._follow())
        self._tasks.spawn("tick", self._tick())
        await self.wait_for(current)

    async def _list(self, at_revision: int) -> tuple[list[Item], int]:
        try:
            page = await self.storage.list(self._root, at_revision=at_revision)
        except Compacted as compacted:
            page = await self.storage.list(self._root, at_revision=compacted.oldest)
        return page.items, page.revision

    def _load(self, items: list[Item]) -> None:
        sorted_out: dict[str, list[Item]] = {prefix: [] for prefix in self._caches}
        for item in items:
            if (prefix := self._prefix_of(item.key)) is not None:
                sorted_out[prefix].append(item)
        for prefix, cache in self._caches.items():
            cache.load(sorted_out[prefix], self.revision)

    def _prefix_of(self, key: str) -> str | None:
        """Which cache's prefix the key lies beneath, trying its parents from the shortest."""
        at = key.find("/", len(self._root) - 1)
        while at >= 0:
            prefix = key[: at + 1]
            if prefix in self._caches:
                return prefix
            at = key.find("/", at + 1)
        return None

    async def _follow(self, lost_track: bool = False) -> None:
        """Never ends: whatever stops the watch, every cache waits for it to go on."""
        while True:
            try:
                if lost_track:
                    await self._list_anew()
                    lost_track = False
                async for batch in self.storage.watch(self._root, self.revision, previous=False):
                    if isinstance(batch, Progress):
                        self._advance(batch.revision)
                    else:
                        self._apply(batch)
            except (Compacted, FutureRevision) as lost:
                log.warning("cannot watch the storage from revision %d, listing anew: %s", self.revision, lost)
                lost_track = True
            except StorageError as error:
                log.warning("the watch of the storage failed, trying again: %s", error)
            except Exception:
                log.exception("events of the storage could not be applied, listing anew")
                lost_track = True
            await self.clock.sleep(RETRY)

    async def _list_anew(self) -> None:
        """Pass over lost history: the caches work out what changed meanwhile and tell their watchers."""
        items, self.revision = await self._list(0)
        self._load(items)
        self._advance(self.revision)

    def _apply(self, events: Sequence[Event]) -> None:
        touched: dict[str, list[Event]] = {}
        for event in events:
            if (prefix := self._prefix_of(event.key)) is not None:
                touched.setdefault(prefix, []).append(event)
        for prefix, own in touched.items():
            self._caches[prefix].apply(own)
        self._advance(events[-1].revision)

    def _advance(self, revision: int) -> None:
        self.revision = revision
        while self._waiting and self._waiting[0][0] <= revision:
            _, _, reached = heapq.heappop(self._waiting)
            if not reached.done():
                reached.set_result(None)

    async def _tick(self) -> None:
        while True:
            await self.clock.sleep(TICK)
            for cache in self._caches.values():
                cache.tick()
