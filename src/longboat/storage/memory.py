"""Storage in memory: for tests, and for clusters that live no longer than their process."""

from __future__ import annotations

import asyncio
import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncIterator, Sequence
from operator import attrgetter

import msgspec

from longboat.aio.clock import Clock, Timer
from longboat.storage.interface import (
    Compacted,
    Event,
    FutureRevision,
    Item,
    KeyExists,
    Page,
    Progress,
    RevisionMismatch,
    StorageError,
)
from longboat.storage.keys import end_of

REVISION = attrgetter("revision")
BATCH = 500  # events handed to a watcher at once


class Record(msgspec.Struct, frozen=True):
    """One write: what it left at the key (None: nothing) and what it found there."""

    key: str
    revision: int
    value: bytes | None
    before: Item | None


class MemoryStorage:
    """Every write is a record in one log; what is current is a map beside it, its keys in order.

    `keep` bounds the log: beyond twice as many records the older half is compacted away.
    """

    def __init__(self, clock: Clock, *, keep: int = 100_000) -> None:
        self._clock = clock
        self._keep = keep
        self._current: dict[str, Item] = {}
        self._keys: list[str] = []
        self._log: list[Record] = []
        self._revision = 0
        self._oldest = 0  # history up to here is forgotten
        self._expiring: list[tuple[float, int, str]] = []  # heap of (when, revision of the write, key)
        self._timer: Timer | None = None
        self._changed = asyncio.Event()
        self._closed = False

    async def get(self, key: str) -> Item | None:
        self._check_open()
        return self._current.get(key)

    async def list(self, prefix: str, *, at_revision: int = 0, limit: int = 0, after: str = "") -> Page:
        self._check_open()
        if at_revision:
            self._check_reachable(at_revision)
        end = end_of(prefix)
        first = bisect_right(self._keys, after) if after >= prefix else bisect_left(self._keys, prefix)
        found: dict[str, Item | None] = {
            key: self._current[key] for key in self._keys[first : bisect_left(self._keys, end)]
        }
        if at_revision:
            since: dict[str, Item | None] = {}
            for record in self._log[self._position(at_revision) :]:
                if after < record.key and prefix <= record.key < end:
                    since.setdefault(record.key, record.before)
            found |= since
        items = [item for key in sorted(found) if (item := found[key]) is not None]
        shown = items[:limit] if limit else items
        return Page(shown, at_revision or self._revision, len(items) - len(shown))

    async def create(self, key: str, value: bytes, *, ttl: float | None = None) -> int:
        self._check_open()
        if key in self._current:
            raise KeyExists(key)
        return self._write(key, value, ttl)

    async def update(self, key: str, value: bytes, *, expect: int, ttl: float | None = None) -> int:
        self._check_open()
        self._check_current(key, expect)
        return self._write(key, value, ttl)

    async def delete(self, key: str, *, expect: int) -> int:
        self._check_open()
        self._check_current(key, expect)
        return self._write(key, None, None)

    async def watch(
        self, prefix: str, from_revision: int, *, previous: bool = True
    ) -> AsyncIterator[Sequence[Event] | Progress]:
        seen = from_revision
        self._check_reachable(seen)
        while True:
            self._check_open()
            if seen < self._oldest:
                raise Compacted(self._oldest)
            if seen == self._revision:
                await self._changed.wait()
                continue
            start = self._position(seen)
            records = self._log[start : start + BATCH]
            seen = records[-1].revision if records else self._revision
            matching = [_event(record, previous) for record in records if record.key.startswith(prefix)]
            if matching:
                yield matching
            if not matching or matching[-1].revision < seen:
                yield Progress(seen)

    async def stale(self, key: str) -> bool:
        return False

    async def current_revision(self) -> int:
        self._check_open()
        return self._revision

    async def compact(self, revision: int) -> None:
        self._check_open()
        if revision > self._revision:
            raise FutureRevision(self._revision)
        if revision > self._oldest:
            del self._log[: self._position(revision)]
            self._oldest = revision

    async def close(self) -> None:
        self._closed = True
        self._wake()
        if self._timer:
            self._timer.cancel()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the storage has been closed")

    def _check_reachable(self, revision: int) -> None:
        if revision < self._oldest:
            raise Compacted(self._oldest)
        if revision > self._revision:
            raise FutureRevision(self._revision)

    def _check_current(self, key: str, expect: int) -> None:
        current = self._current.get(key)
        if current is None or current.revision != expect:
            raise RevisionMismatch(current)

    def _position(self, revision: int) -> int:
        """Where in the log the records after `revision` begin."""
        return bisect_right(self._log, revision, key=REVISION)

    def _write(self, key: str, value: bytes | None, ttl: float | None) -> int:
        self._revision = revision = self._revision + 1
        self._log.append(Record(key, revision, value, self._current.get(key)))
        if value is None:
            del self._current[key]
            del self._keys[bisect_left(self._keys, key)]
        else:
            if key not in self._current:
                insort(self._keys, key)
            self._current[key] = Item(key, value, revision)
        if ttl is not None:
            heapq.heappush(self._expiring, (self._clock.monotonic() + ttl, revision, key))
            self._set_timer()
        if len(self._log) > 2 * self._keep:
            del self._log[: self._keep]
            self._oldest = self._log[0].revision - 1
        self._wake()
        return revision

    def _wake(self) -> None:
        """Rouse every watcher; each then reads the log from where it stands."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._expiring:
            self._timer = self._clock.call_later(self._expiring[0][0] - self._clock.monotonic(), self._expire)

    def _expire(self) -> None:
        now = self._clock.monotonic()
        while self._expiring and self._expiring[0][0] <= now:
            _, revision, key = heapq.heappop(self._expiring)
            current = self._current.get(key)
            if current is not None and current.revision == revision:
                self._write(key, None, None)
        self._set_timer()


def _event(record: Record, previous: bool) -> Event:
    before = record.before.value if previous and record.before else None
    return Event(record.key, record.revision, record.value, before)
