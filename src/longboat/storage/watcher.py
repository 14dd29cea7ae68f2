"""The watch cache's output: the ring of recent changes, and one watcher's bounded buffer."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from operator import attrgetter

from longboat.storage.entry import Change
from longboat.storage.interface import Compacted, Progress

REVISION = attrgetter("revision")
BUFFER_BYTES = 32 << 20  # of changes that wait for one reader; all readers share them


class Ring:
    """Recent changes of one resource, oldest first: every one after revision `floor`.

    Bounded by count and by the bytes of the objects held; a resource that changes seldom keeps its past for long.
    """

    def __init__(self, floor: int, *, limit: int = 4096, limit_bytes: int = 8 << 20) -> None:
        self.floor = floor
        self.limit = limit
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._changes: list[Change] = []

    def extend(self, changes: Sequence[Change]) -> None:
        self._changes += changes
        self._bytes += sum(map(size_of, changes))
        if len(self._changes) > self.limit or self._bytes > self._limit_bytes:
            self._trim()

    def _trim(self) -> None:
        """Drop the older quarter at least, so that trimming is rare and its cost spread."""
        drop = len(self._changes) - self.limit * 3 // 4
        size = self._bytes
        dropped = 0
        for change in self._changes:
            if dropped >= drop and size <= self._limit_bytes * 3 // 4:
                break
            size -= size_of(change)
            dropped += 1
        self.floor = self._changes[dropped - 1].revision
        self._bytes = size
        del self._changes[:dropped]

    def since(self, revision: int, prefix: str) -> list[Change]:
        """Changes beneath `prefix` after `revision`. Raises Compacted if some of them have been forgotten."""
        if revision < self.floor:
            raise Compacted(self.floor)
        recent = self._changes[bisect_right(self._changes, revision, key=REVISION) :]
        return [change for change in recent if change.key.startswith(prefix)]


def size_of(change: Change) -> int:
    entry = change.new or change.old
    return len(entry.body) if entry else 0


class Watcher:
    """One reader of changes: an async iterator of batches, and of progress where that is asked for.

    Ends when closed. One that lets more than `buffer` changes pile up, or BUFFER_BYTES of them, is closed too (`slow`
    is then true): what is buffered is still delivered, then the iteration ends and the reader has to watch anew from
    where it stands.
    """

    def __init__(
        self, prefix: str, from_revision: int, buffer: int, backlog: Sequence[Change], forget: Callable[[Watcher], None]
    ) -> None:
        self.prefix = prefix
        self.revision = from_revision  # everything up to here has been handed to the reader
        self.slow = False
        self._queued = from_revision  # everything up to here has been queued
        self._buffer = buffer
        self._batches: deque[tuple[Sequence[Change], int]] = deque()  # and how many bytes they are
        self._pending = 0
        self._pending_bytes = 0
        self._forget = forget
        self._closed = False
        self._asked = False  # to report progress
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        if backlog:
            self._batches.append((backlog, 0))
            self._queued = backlog[-1].revision

    def push(self, batch: Sequence[Change], size: int) -> None:
        """Queue changes, oldest first, of so many bytes (the cache's side). Other watchers share the batch."""
        if batch[0].revision <= self._queued:
            batch = [change for change in batch if change.revision > self._queued]
            if not batch:
                return
        self._batches.append((batch, size))
        self._pending += len(batch)
        self._pending_bytes += size
        self._queued = batch[-1].revision
        if self._pending > self._buffer or (self._pending_bytes > BUFFER_BYTES and len(self._batches) > 1):
            self.slow = True
            self.close()
        self._wake()

    def report(self, revision: int) -> None:
        """Tell the reader, once it has taken what is buffered, how far it has come: nothing more up to `revision`."""
        self._queued = max(self._queued, revision)
        self._asked = True
        self._wake()

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> Sequence[Change] | Progress:
        while True:
            if self._batches:
                batch, size = self._batches.popleft()
                self._pending = max(self._pending - len(batch), 0)
                self._pending_bytes -= size
                self.revision = batch[-1].revision
                return batch
            if self._error:
                raise self._error
            if self._closed:
                raise StopAsyncIteration
            if self._asked:
                self._asked = False
                self.revision = self._queued
                return Progress(self.revision)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def close(self, error: Exception | None = None) -> None:
        """End the watch; `error` is raised to the reader once it has taken what is buffered."""
        if not self._closed:
            self._closed = True
            self._error = error
            self._forget(self)
            self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)
