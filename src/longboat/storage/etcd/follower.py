"""A watch of everything beneath the prefix, that outlasts the members it is told by."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
import grpc.aio

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.storage.etcd import problems
from longboat.storage.etcd.keys import Keys
from longboat.storage.etcd.member import Member, is_cancelled, request
from longboat.storage.etcd.members import Members
from longboat.storage.interface import Compacted, Event, FutureRevision, Progress, StorageError

log = logging.getLogger(__name__)

SOON = 0.005  # seconds within which events usually come by themselves
AGAIN, PATIENCE = 0.05, 5.0  # seconds between questions about progress, first and at most: the reader may be slow
DELETED = 1  # Event.EventType


class Follower:
    """`seen`: every event up to this revision has been handed out.

    `head` tells the newest revision; `mark` writes a key beneath the prefix, whose event says how far a watch has come
    where a member's own word on that cannot be relied upon.
    """

    def __init__(
        self,
        members: Members,
        keys: Keys,
        clock: Clock,
        seen: int,
        previous: bool,
        head: Callable[[], Awaitable[int]],
        mark: Callable[[], Awaitable[None]],
    ) -> None:
        self.seen = seen
        self._members = members
        self._keys = keys
        self._clock = clock
        self._previous = previous
        self._head = head
        self._mark = mark
        self._target = 0  # a revision somebody waits for
        self._tasks = Tasks("etcd/watch")
        self._hurrying: asyncio.Task[None] | None = None
        self._member: Member | None = None
        self._call: Any = None
        self._reading: asyncio.Future[Any] | None = None
        self._created = False  # etcd has begun with the watch on this stream
        self._closed = False

    def hurry(self, revision: int) -> None:
        """Somebody waits until this revision has been reached: see that it is, though nothing more may happen here."""
        if revision > self.seen and not self._closed:
            self._target = max(self._target, revision)
            if self._hurrying is None or self._hurrying.done():
                self._hurrying = self._tasks.spawn("hurry", self._hurry())

    async def batches(self) -> AsyncIterator[Sequence[Event] | Progress]:
        """Raises Compacted, FutureRevision, StorageError."""
        try:
            while True:
                self._member = await self._members.ready()
                self._call = self._member.watch()
                try:
                    async for batch in self._told():
                        yield batch
                except grpc.aio.AioRpcError as error:
                    if not problems.elsewhere(error):
                        raise StorageError(f"the watch of etcd failed: {problems.explain(error)}") from None
                    self._give_up(problems.explain(error))
                except asyncio.CancelledError:
                    if is_cancelled() or not self._call.cancelled():
                        raise  # else only the stream was: its member is not trusted any more, or the storage closed
                finally:
                    self._created = False
                    self._member.streams.discard(self._call)
                    await self._end()
                if self._closed:
                    raise StorageError("the storage has been closed")
        finally:
            self._closed = True
            await self._tasks.close()

    async def close(self) -> None:
        self._closed = True
        await self._tasks.close()
        await self._end()

    async def _told(self) -> AsyncIterator[Sequence[Event] | Progress]:
        first, end = self._keys.all
        # From the revision before the first one wanted: history that is gone is told of only from there.
        start = max(self.seen, 1)
        wanted = request(
            "WatchCreateRequest", key=first, range_end=end, start_revision=start, progress_notify=True,
            prev_kv=self._previous, fragment=True,
        )  # fmt: skip
        await self._call.write(request("WatchRequest", create_request=wanted))
        parts: list[Any] = []
        while (response := await self._read()) is not grpc.aio.EOF:
            if response.canceled:
                await self._cancelled(response)
                return
            if response.created:
                self._created = True
                if response.header.revision < self.seen:
                    await self._check_reached()
                if self._target > self.seen:
                    self.hurry(self._target)
                continue
            parts += response.events
            if response.fragment:
                continue  # the rest of its last revision is still to come
            if parts:
                for batch in self._events(parts):
                    yield batch
                parts = []
            elif response.header.revision > self.seen and (response.watch_id >= 0 or self._trusted()):
                self.seen = response.header.revision
                yield Progress(self.seen)
        self._give_up("it ended a watch")

    async def _read(self) -> Any:
        """The next answer. Who gives up waiting for it leaves the question to `_end`: gRPC cannot take it back."""
        self._reading = asyncio.ensure_future(self._call.read())
        return await asyncio.shield(self._reading)

    async def _end(self) -> None:
        """End the stream, and wait until nothing of it is under way: the loop may be closed then."""
        if self._call is None:
            return
        self._call.cancel()
        if self._reading is not None:
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                self._reading.exception()

    def _events(self, told: Sequence[Any]) -> list[Sequence[Event] | Progress]:
        """Raises Compacted."""
        own, outer, previous = self._keys.own, self._keys.outer, self._previous
        seen, events = self.seen, []
        for each in told:
            kv = each.kv
            if kv.mod_revision <= seen or kv.key.startswith(own):
                continue
            deleted = each.type == DELETED
            before = each.prev_kv.value if previous and each.HasField("prev_kv") else None
            if previous and before is None and (deleted or kv.create_revision != kv.mod_revision):
                raise Compacted(kv.mod_revision)  # while the watch caught up
            events.append(Event(outer(kv.key), kv.mod_revision, None if deleted else kv.value, before))
        reached = told[-1].kv.mod_revision
        found: list[Sequence[Event] | Progress] = [events] if events else []
        if reached > seen:
            self.seen = reached
            if not events or events[-1].revision < reached:
                found.append(Progress(reached))
        return found

    async def _cancelled(self, response: Any) -> None:
        """Raises Compacted, StorageError."""
        if response.compact_revision:
            raise Compacted(response.compact_revision)
        if "no leader" in response.cancel_reason:
            self._give_up(problems.REMEDIES["no leader"])
            return
        raise StorageError(f"etcd ended the watch: {response.cancel_reason or 'it does not say why'}")

    async def _check_reached(self) -> None:
        """This member may only be behind the others. Raises FutureRevision, StorageError."""
        newest = await self._head()
        if newest < self.seen:
            raise FutureRevision(newest)

    def _give_up(self, why: str) -> None:
        if self._member is not None and not self._closed:
            self._members.distrust(self._member, why)

    def _trusted(self) -> bool:
        return self._member is not None and self._member.tells_progress

    async def _hurry(self) -> None:
        await self._clock.sleep(SOON)
        patience = AGAIN
        while self.seen < self._target and not self._closed:
            trusted, target = self._trusted(), self._target
            try:
                if not trusted:
                    await self._mark()
                elif self._created:
                    await self._call.write(request("WatchRequest", progress_request=request("WatchProgressRequest")))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, StorageError) as error:
                log.debug("progress cannot be asked for now: %s", error)  # another stream is being opened
            # A member that is asked while a watch is behind does not answer. A mark need not be written twice.
            until = self._clock.monotonic() + (patience if trusted else PATIENCE)
            while self.seen < target and self._clock.monotonic() < until and not self._closed:
                await self._clock.sleep(SOON)
            patience = min(2 * patience, PATIENCE)
