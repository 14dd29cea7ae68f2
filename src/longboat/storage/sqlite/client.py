"""The storage as the API server sees it: an asyncio client of the store process.

Requests made in one pass of the loop travel in one frame. When the store goes away, writes under way fail (nobody knows
their outcome), reads wait and are asked again once it is back, and watches go on from where they were.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
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
from longboat.storage.sqlite import wire

log = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds a request waits for a store that is away
RECONNECT = 0.02  # seconds between attempts to reach it
BUFFER = 8 << 20  # bytes of events held for a watch whose reader is slow; the rest stays in the store's history


class SqliteStorage:
    """Implements `Storage`. Made by `connect`."""

    def __init__(self, socket: str, clock: Clock) -> None:
        self._socket = socket
        self._clock = clock
        self._ids = itertools.count(1)
        self._pending: dict[int, tuple[wire.Request, asyncio.Future[Any]]] = {}
        self._watches: dict[int, _Subscription] = {}
        self._outbox: list[wire.Request] = []
        self._flushing = False
        self._transport: asyncio.WriteTransport | None = None
        self._given_up = False  # the store has been away for longer than PATIENCE
        self._closed = False
        self._tasks = Tasks("storage")

    async def get(self, key: str) -> Item | None:
        item: Item | None = await self._ask(wire.Get(next(self._ids), key))
        return item

    async def list(self, prefix: str, *, at_revision: int = 0, limit: int = 0, after: str = "") -> Page:
        """A long listing is fetched in pages of one revision, so that neither process holds it twice."""
        items: list[Item] = []
        while True:
            page: Page = await self._ask(wire.List(next(self._ids), prefix, at_revision, limit, after))
            items += page.items
            at_revision = page.revision
            if not page.more or (limit and len(page.items) == limit):
                return Page(items, page.revision, page.remaining)
            after = page.items[-1].key
            limit = limit and limit - len(page.items)

    async def create(self, key: str, value: bytes, *, ttl: float | None = None) -> int:
        revision: int = await self._ask(wire.Create(next(self._ids), key, value, ttl))
        return revision

    async def update(self, key: str, value: bytes, *, expect: int, ttl: float | None = None) -> int:
        revision: int = await self._ask(wire.Update(next(self._ids), key, value, expect, ttl))
        return revision

    async def delete(self, key: str, *, expect: int) -> int:
        revision: int = await self._ask(wire.Delete(next(self._ids), key, expect))
        return revision

    async def watch(
        self, prefix: str, from_revision: int, *, previous: bool = True
    ) -> AsyncIterator[Sequence[Event] | Progress]:
        watch = _Subscription(prefix, from_revision, previous)
        self._check_open()
        self._subscribe(watch)
        try:
            while True:
                while watch.received:
                    batch = watch.received.popleft()
                    watch.size -= _size(batch)
                    yield batch
                if watch.error:
                    raise watch.error
                if watch.parked:
                    self._subscribe(watch)
                watch.waiter = asyncio.get_running_loop().create_future()
                await watch.waiter
        finally:
            self._unsubscribe(watch)

    async def stale(self, key: str) -> bool:
        return False

    async def current_revision(self) -> int:
        revision: int = await self._ask(wire.Current(next(self._ids)))
        return revision

    async def compact(self, revision: int) -> None:
        await self._ask(wire.Compact(next(self._ids), revision))

    async def purge(self) -> None:
        """Forget all history and rebuild the file: what was deleted or replaced is in none of its bytes any more.

        Everybody else waits meanwhile, about a second for each 200 MB. Raises StorageError.
        """
        await self._ask(wire.Purge(next(self._ids)))

    async def save(self, path: str) -> int:
        """Write a consistent copy to `path`, which must not exist; the revision it has. Raises StorageError."""
        revision: int = await self._ask(wire.Save(next(self._ids), path))
        return revision

    async def close(self) -> None:
        """Disconnect. The store process goes on."""
        self._closed = True
        await self._tasks.close()
        if self._transport:
            self._transport.close()
            self._transport = None
        self._fail_pending(StorageError("the storage has been closed"), writes_only=False)
        for watch in list(self._watches.values()):
            watch.fail(StorageError("the storage has been closed"))

    # requests

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the storage has been closed")
        if self._given_up:
            raise StorageError(f"the store does not answer at {self._socket}: is its process running?")

    async def _ask(self, request: wire.Request) -> Any:
        self._check_open()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[request.id] = (request, answer)
        self._send(request)
        try:
            return await answer
        finally:
            del answer  # it holds its error, which holds this frame

    def _send(self, request: wire.Request) -> None:
        self._outbox.append(request)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Send all that was asked during this pass of the loop."""
        self._flushing = False
        if self._transport is None or not self._outbox:
            return
        requests, self._outbox = self._outbox, []
        if len(requests) > 16:  # large values are possible: keep frames to a reasonable size
            for part in _parts(requests):
                self._transport.write(wire.frame(part))
        else:
            self._transport.write(wire.frame(requests))

    def _subscribe(self, watch: _Subscription) -> None:
        identity = watch.id = next(self._ids)
        watch.parked = False
        self._watches[identity] = watch
        self._send(wire.Watch(identity, watch.prefix, watch.seen, watch.previous))

    def _unsubscribe(self, watch: _Subscription) -> None:
        if self._watches.pop(watch.id, None) and not self._closed and self._transport:
            self._send(wire.Cancel(watch.id))

    # replies

    def received(self, replies: Sequence[wire.Reply]) -> None:
        """Events come before the replies to the writes that made them: they are queued first (the protocol's side)."""
        for reply in replies:
            kind = type(reply)
            if kind is wire.Changed or kind is wire.Reached:
                if (watch := self._watches.get(reply.id)) is not None:
                    self._deliver(watch, reply)
            elif (pending := self._pending.pop(reply.id, None)) is not None:
                request, answer = pending
                if not answer.done():
                    _resolve(request, reply, answer)
            elif (watch := self._watches.pop(reply.id, None)) is not None:
                watch.fail(_error(None, reply))

    def _deliver(self, watch: _Subscription, reply: wire.Reply) -> None:
        if isinstance(reply, wire.Changed):
            watch.deliver(reply.events, reply.events[-1].revision)
        elif isinstance(reply, wire.Reached):
            watch.deliver(Progress(reply.revision), reply.revision)
        if watch.size > BUFFER:
            watch.parked = True
            self._unsubscribe(watch)

    # connection

    async def open(self) -> None:
        """Connect once, then keep connected. Raises StorageError if the store cannot be reached now."""
        try:
            await self._connect()
        except OSError as error:
            raise StorageError(f"the store does not answer at {self._socket}: {error.strerror or error}") from None

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_unix_connection(lambda: _Connection(self), self._socket)
        self._transport = transport
        self._given_up = False
        queued = {request.id for request in self._outbox}
        for request, _ in self._pending.values():
            if request.id not in queued:
                self._outbox.append(request)
        for watch in list(self._watches.values()):
            if watch.id not in queued:
                del self._watches[watch.id]
                self._subscribe(watch)
        self._flush()

    def lost(self) -> None:
        """The connection has ended (the protocol's side)."""
        self._transport = None
        if self._closed:
            return
        log.warning("the store at %s went away, reconnecting", self._socket)
        unsent = {request.id for request in self._outbox}
        why = StorageError("the store went away during the write: its outcome is unknown")
        self._fail_pending(why, writes_only=True, unless=unsent)
        self._tasks.spawn("reconnect", self._reconnect())

    def _fail_pending(self, error: StorageError, *, writes_only: bool, unless: Collection[int] = ()) -> None:
        for identity, (request, answer) in list(self._pending.items()):
            if identity not in unless and not (writes_only and _repeatable(request)):
                del self._pending[identity]
                if not answer.done():
                    answer.set_exception(error)

    async def _reconnect(self) -> None:
        away_since = self._clock.monotonic()
        while True:
            try:
                await self._connect()
            except OSError:
                if not self._given_up and self._clock.monotonic() - away_since > PATIENCE:
                    self._given_up = True
                    self._outbox.clear()
                    away = StorageError(f"the store does not answer at {self._socket}: is its process running?")
                    self._fail_pending(away, writes_only=False)
                await self._clock.sleep(RECONNECT)
            else:
                log.info("connected to the store at %s again", self._socket)
                return


class _Subscription:
    """A watch and what has arrived for it. `parked`: too much has, so it is to be asked for again from `seen` on."""

    def __init__(self, prefix: str, seen: int, previous: bool) -> None:
        self.id = 0
        self.prefix = prefix
        self.seen = seen
        self.previous = previous
        self.parked = False
        self.received: deque[Sequence[Event] | Progress] = deque()
        self.size = 0
        self.error: Exception | None = None
        self.waiter: asyncio.Future[None] | None = None

    def deliver(self, batch: Sequence[Event] | Progress, reached: int) -> None:
        self.received.append(batch)
        self.size += _size(batch)
        self.seen = reached
        self._wake()

    def fail(self, error: Exception) -> None:
        self.error = error
        self._wake()

    def _wake(self) -> None:
        if self.waiter and not self.waiter.done():
            self.waiter.set_result(None)


class _Connection(asyncio.Protocol):
    """Turns bytes into replies."""

    def __init__(self, storage: SqliteStorage) -> None:
        self._storage = storage
        self._frames = wire.Frames()
        self._decoder = msgspec.msgpack.Decoder(list[wire.Reply])
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                self._storage.received(self._decoder.decode(body))
        except ValueError:
            log.exception("the store sent what is not a reply: disconnecting")
            if self._transport:
                self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._storage.lost()


async def connect(socket: str, clock: Clock) -> SqliteStorage:
    """A client of the store process that listens at `socket`. Raises StorageError if none does."""
    storage = SqliteStorage(socket, clock)
    await storage.open()
    return storage


def _repeatable(request: wire.Request) -> bool:
    return isinstance(request, (wire.Get, wire.List, wire.Current, wire.Compact))


def _size(batch: Sequence[Event] | Progress) -> int:
    if isinstance(batch, Progress):
        return 0
    return sum(len(event.key) + len(event.value or b"") + len(event.previous or b"") + 100 for event in batch)


def _parts(requests: list[wire.Request]) -> list[list[wire.Request]]:
    parts: list[list[wire.Request]] = [[]]
    size = 0
    for request in requests:
        if isinstance(request, (wire.Create, wire.Update)):
            size += len(request.value)
        if size > wire.FRAME:
            parts.append([])
            size = 0
        parts[-1].append(request)
    return parts


def _resolve(request: wire.Request, reply: wire.Reply, answer: asyncio.Future[Any]) -> None:
    if isinstance(reply, wire.Done):
        answer.set_result(reply.revision)
    elif isinstance(reply, wire.Found):
        answer.set_result(reply.item)
    elif isinstance(reply, wire.Listed):
        answer.set_result(Page(reply.items, reply.revision, reply.remaining))
    else:
        answer.set_exception(_error(request, reply))


def _error(request: wire.Request | None, reply: wire.Reply) -> Exception:
    if isinstance(reply, wire.Exists):
        return KeyExists(request.key if isinstance(request, wire.Create) else "")
    if isinstance(reply, wire.Mismatch):
        return RevisionMismatch(reply.current)
    if isinstance(reply, wire.TooOld):
        return Compacted(reply.oldest)
    if isinstance(reply, wire.TooNew):
        return FutureRevision(reply.current)
    return StorageError(reply.why if isinstance(reply, wire.Failed) else f"unexpected reply {reply!r}")
