"""Node ports: one bitmap for the cluster (upstream's RangeAllocation), changed by compare-and-swap."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from longboat.registry.allocators.addresses import Unavailable
from longboat.storage.interface import Item, KeyExists, RevisionMismatch, Storage

KEY = "/registry/ranges/servicenodeports"
TAKEN = "provided port is already allocated"

T = TypeVar("T")

_dice = random.SystemRandom()


class PortUnavailable(Unavailable):
    """Says which port it was, and the how manieth of those that were wanted."""

    def __init__(self, port: int, message: str, place: int = 0) -> None:
        super().__init__(message)
        self.port, self.place = port, place


class Bitmap:
    """Which ports of a range are taken: bit n stands for port `first + n`."""

    __slots__ = ("bits", "first", "last")

    def __init__(self, first: int, last: int, bits: int = 0) -> None:
        self.first, self.last, self.bits = first, last, bits

    @classmethod
    def read(cls, stored: bytes, first: int, last: int) -> Bitmap:
        """What is stored, for a range that may have moved since. Raises ValueError."""
        record = msgspec.json.decode(stored)
        was, _, _ = record["range"].partition("-")
        bits = int.from_bytes(base64.b64decode(record.get("data") or ""), "big")
        shift = int(was) - first
        bits = bits << shift if shift >= 0 else bits >> -shift
        return cls(first, last, bits & ((1 << (last - first + 1)) - 1))

    def stored(self) -> bytes:
        """A RangeAllocation (core/v1), as upstream lays it out."""
        data = self.bits.to_bytes((self.bits.bit_length() + 7) // 8, "big")
        return msgspec.json.encode(
            {
                "kind": "RangeAllocation",
                "apiVersion": "v1",
                "metadata": {},
                "range": f"{self.first}-{self.last}",
                "data": base64.b64encode(data).decode(),
            }
        )

    def __contains__(self, port: int) -> bool:
        return port >= self.first and bool(self.bits >> (port - self.first) & 1)

    def add(self, port: int) -> None:
        """Raises PortUnavailable."""
        if not self.first <= port <= self.last:
            valid = f"The range of valid ports is {self.first}-{self.last}"
            raise PortUnavailable(port, f"provided port is not in the valid range. {valid}")
        if port in self:
            raise PortUnavailable(port, TAKEN)
        self.bits |= 1 << (port - self.first)

    def discard(self, port: int) -> None:
        if self.first <= port <= self.last:
            self.bits &= ~(1 << (port - self.first))

    def pick(self) -> int:
        """Take any free port, from the upper band while it lasts (KEP-3668). Raises Unavailable."""
        size = self.last - self.first + 1
        middle = self.first + (0 if size <= 16 else min(max(size // 32, 16), 128))
        for low, high in ((middle, self.last), (self.first, middle - 1)):
            free = [port for port in range(low, high + 1) if port not in self]
            if free:
                port = _dice.choice(free)
                self.add(port)
                return port
        raise Unavailable("range is full")

    def taken(self) -> set[int]:
        return {port for port in range(self.first, self.last + 1) if port in self}


class NodePorts:
    """Hands out node ports. The changes of this process queue here; those of others meet in the storage."""

    def __init__(self, first: int, last: int, storage: Storage) -> None:
        self._first, self._last = first, last
        self._storage = storage
        self._lock = asyncio.Lock()
        self._current: Item | None = None

    async def take(self, wanted: Sequence[int], *, dry_run: bool = False) -> list[int]:
        """These ports, any for a 0; all of them or none. Raises Unavailable."""

        def change(bitmap: Bitmap) -> list[int]:
            for place, port in enumerate(wanted):
                try:
                    if port:
                        bitmap.add(port)
                except PortUnavailable as error:
                    error.place = place
                    raise
            return [port or bitmap.pick() for port in wanted]

        return await self._change(change, dry_run) if wanted else []

    async def give_back(self, ports: Iterable[int]) -> None:
        going = [port for port in ports if port]

        def change(bitmap: Bitmap) -> None:
            for port in going:
                bitmap.discard(port)

        if going:
            await self._change(change)

    async def holds(self, port: int) -> bool:
        return await self._change(lambda bitmap: port in bitmap, dry_run=True)

    async def taken(self) -> set[int]:
        return await self._change(Bitmap.taken, dry_run=True)

    async def mark(self, used: set[int], unused: set[int]) -> None:
        """Record ports as taken, or as free, whatever the bitmap says."""

        def change(bitmap: Bitmap) -> None:
            for port in used - bitmap.taken():
                if bitmap.first <= port <= bitmap.last:
                    bitmap.add(port)
            for port in unused:
                bitmap.discard(port)

        await self._change(change)

    async def _change(self, change: Callable[[Bitmap], T], dry_run: bool = False) -> T:
        async with self._lock:
            if self._current is None or dry_run:
                self._current = await self._storage.get(KEY)
            while True:
                current = self._current
                bitmap = (
                    Bitmap.read(current.value, self._first, self._last) if current else Bitmap(self._first, self._last)
                )
                before = bitmap.bits
                outcome = change(bitmap)
                if dry_run or (current and bitmap.bits == before):
                    return outcome
                if await self._swap(current, bitmap.stored()):
                    return outcome

    async def _swap(self, current: Item | None, value: bytes) -> bool:
        """Whether the new value is in place; `_current` is what is there now either way."""
        try:
            if current is None:
                revision = await self._storage.create(KEY, value)
            else:
                revision = await self._storage.update(KEY, value, expect=current.revision)
        except KeyExists:
            self._current = await self._storage.get(KEY)
            return False
        except RevisionMismatch as lost:
            self._current = lost.current
            return False
        self._current = Item(KEY, value, revision)
        return True
