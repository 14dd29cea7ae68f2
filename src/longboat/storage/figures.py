"""What a watch cache and a storage count of themselves: plain numbers, for they are touched by whatever happens."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from longboat.aio.clock import Clock
from longboat.aio.histogram import Histogram
from longboat.storage.interface import Storage, StorageError

T = TypeVar("T")

# Seconds (apiserver, etcd3 and cacher metrics).
OPERATION = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
)  # fmt: skip
READ_WAIT = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3)


class CacheFigures:
    __slots__ = (
        "dispatched",
        "fetched",
        "initial",
        "lists",
        "loads",
        "read_wait",
        "received",
        "returned",
        "terminated",
    )

    def __init__(self) -> None:
        self.loads = 0  # times that everything was taken in
        self.received = 0  # events of the storage
        self.dispatched = 0  # changes told to watchers, however many there are
        self.initial = 0  # events that watches began with
        self.terminated = 0  # watchers closed because they did not read
        self.lists: dict[str, int] = {}  # by the index that was used, "" for none
        self.fetched: dict[str, int] = {}  # entries looked at, likewise
        self.returned = 0
        self.read_wait = Histogram(READ_WAIT)

    def listed(self, index: str, fetched: int, returned: int) -> None:
        self.lists[index] = self.lists.get(index, 0) + 1
        self.fetched[index] = self.fetched.get(index, 0) + fetched
        self.returned += returned


class Operation:
    """One kind of call: how long each took, those included that failed."""

    __slots__ = ("errors", "seconds")

    def __init__(self) -> None:
        self.seconds = Histogram(OPERATION)
        self.errors = 0


class Measured:
    """The writes of one resource to a storage, measured."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self.operations: dict[str, Operation] = {}
        self.stale = storage.stale

    async def create(self, key: str, value: bytes, *, ttl: float | None = None) -> int:
        return await self._timed("create", self._storage.create(key, value, ttl=ttl))

    async def update(self, key: str, value: bytes, *, expect: int, ttl: float | None = None) -> int:
        return await self._timed("update", self._storage.update(key, value, expect=expect, ttl=ttl))

    async def delete(self, key: str, *, expect: int) -> int:
        return await self._timed("delete", self._storage.delete(key, expect=expect))

    async def _timed(self, name: str, call: Awaitable[T]) -> T:
        """That a key is there, or has another revision, is no error of the storage's."""
        found = self.operations.get(name)
        if found is None:
            found = self.operations[name] = Operation()
        began = self._clock.monotonic()
        try:
            return await call
        except StorageError:
            found.errors += 1
            raise
        finally:
            found.seconds.observe(self._clock.monotonic() - began)
