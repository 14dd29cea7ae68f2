"""A storage that seals what is written to another one, and opens what is read from it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence

from longboat.storage.encryption.keyring import Keyring
from longboat.storage.encryption.sealer import SEALED, CannotOpen, CannotSeal, Opened
from longboat.storage.interface import Event, Item, Page, Progress, RevisionMismatch, Storage, StorageError, Unopened

log = logging.getLogger(__name__)

TURN = 500  # values opened before others have a turn on the loop
REMEMBERED = 1 << 20  # bytes of values that were just sealed, and come back as events


class EncryptedStorage:
    """Implements `Storage`. A value that cannot be opened is handed on as `Unopened`, so that it hides no other."""

    def __init__(self, storage: Storage, keyring: Keyring) -> None:
        self._storage = storage
        self._keyring = keyring
        self._fresh: OrderedDict[bytes, tuple[str, bytes]] = OrderedDict()  # sealed here: where it goes, in the clear
        self._size = 0  # bytes of it

    async def get(self, key: str) -> Item | None:
        return await self._item(await self._storage.get(key))

    async def list(self, prefix: str, *, at_revision: int = 0, limit: int = 0, after: str = "") -> Page:
        page = await self._storage.list(prefix, at_revision=at_revision, limit=limit, after=after)
        return await self._open_page(page)

    async def create(self, key: str, value: bytes, *, ttl: float | None = None) -> int:
        return await self._storage.create(key, await self._seal(key, value), ttl=ttl)

    async def update(self, key: str, value: bytes, *, expect: int, ttl: float | None = None) -> int:
        try:
            return await self._storage.update(key, await self._seal(key, value), expect=expect, ttl=ttl)
        except RevisionMismatch as lost:
            raise RevisionMismatch(await self._item(lost.current)) from None

    async def delete(self, key: str, *, expect: int) -> int:
        try:
            return await self._storage.delete(key, expect=expect)
        except RevisionMismatch as lost:
            raise RevisionMismatch(await self._item(lost.current)) from None

    async def watch(
        self, prefix: str, from_revision: int, *, previous: bool = True
    ) -> AsyncIterator[Sequence[Event] | Progress]:
        stream = self._storage.watch(prefix, from_revision, previous=previous)
        try:
            async for batch in stream:
                yield batch if isinstance(batch, Progress) else await self._events(batch)
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    async def stale(self, key: str) -> bool:
        if not key.startswith(self._keyring.covered):
            return False
        item = await self._storage.get(key)
        return item is not None and (await self._open(key, item.value)).stale

    async def current_revision(self) -> int:
        return await self._storage.current_revision()

    async def compact(self, revision: int) -> None:
        await self._storage.compact(revision)

    async def close(self) -> None:
        await self._storage.close()

    async def _seal(self, key: str, value: bytes) -> bytes:
        """Raises StorageError."""
        if not key.startswith(self._keyring.covered):
            return value
        sealer = self._keyring.sealer(key)
        try:
            sealed = sealer.prefix + await sealer.seal(key, value)
        except CannotSeal as error:
            raise StorageError(str(error)) from None
        self._remember(key, sealed, value)
        return sealed

    def _remember(self, key: str, sealed: bytes, plain: bytes) -> None:
        """Its event need not be opened: whoever writes hears of it at once."""
        self._fresh[sealed] = key, plain
        self._size += len(sealed) + len(plain)
        while self._size > REMEMBERED:
            gone, (_, value) = self._fresh.popitem(last=False)
            self._size -= len(gone) + len(value)

    def _recall(self, key: str, sealed: bytes) -> bytes | None:
        """What was sealed here and for this key, once; None for anything else."""
        place, plain = self._fresh.get(sealed, _UNKNOWN)
        if place != key:
            return None
        del self._fresh[sealed]
        self._size -= len(sealed) + len(plain)
        return plain

    async def _open(self, key: str, stored: bytes) -> Opened:
        try:
            return await self._keyring.sealer(key).open(key, stored)
        except CannotOpen as problem:
            log.error("the value stored at %s cannot be opened: %s", key, problem)
            return Opened(Unopened(stored, str(problem)))

    def _touches(self, key: str, stored: bytes | None) -> bool:
        return stored is not None and (key.startswith(self._keyring.covered) or stored.startswith(SEALED))

    async def _item(self, item: Item | None) -> Item | None:
        if item is None or not self._touches(item.key, item.value):
            return item
        return Item(item.key, (await self._open(item.key, item.value)).plain, item.revision)

    async def _open_page(self, page: Page) -> Page:
        """The same page, where there is nothing to open."""
        sealed = [at for at, item in enumerate(page.items) if self._touches(item.key, item.value)]
        if not sealed:
            return page
        items = page.items.copy()
        for count, at in enumerate(sealed, start=1):
            item = items[at]
            items[at] = Item(item.key, (await self._open(item.key, item.value)).plain, item.revision)
            if count % TURN == 0:
                await asyncio.sleep(0)
        return Page(items, page.revision, page.remaining)

    async def _events(self, events: Sequence[Event]) -> Sequence[Event]:
        touched = {
            at
            for at, event in enumerate(events)
            if self._touches(event.key, event.value) or self._touches(event.key, event.previous)
        }
        if not touched:
            return events
        return [await self._event(event) if at in touched else event for at, event in enumerate(events)]

    async def _event(self, event: Event) -> Event:
        value, previous = event.value, event.previous
        if value is not None:
            fresh = self._recall(event.key, value)
            value = (await self._open(event.key, value)).plain if fresh is None else fresh
        if previous is not None:
            previous = (await self._open(event.key, previous)).plain
        return Event(event.key, event.revision, value, previous)


_UNKNOWN = "", b""
