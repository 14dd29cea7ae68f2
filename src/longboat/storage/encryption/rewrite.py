"""Sealing anew what old keys have sealed, in a storage that others are using."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from longboat.storage.encryption.keyring import Keyring
from longboat.storage.encryption.sealer import SEALED, CannotOpen
from longboat.storage.interface import Item, RevisionMismatch, Storage

PAGE = 200  # values under way at once

Lifetime = Callable[[str], float | None]
"""How many seconds a value at this storage key is kept from its writing on; None: for good."""


@dataclass
class Tally:
    """What a pass has found. `by_origin`: how many were sealed by `aesgcm key1`, …, or are `in the clear`."""

    total: int = 0
    stale: int = 0
    unreadable: list[str] = field(default_factory=list)
    by_origin: Counter[str] = field(default_factory=Counter)


async def survey(storage: Storage, keyring: Keyring) -> Tally:
    """Look at everything the keyring is for. `storage` is the one beneath: it hands out what is stored."""
    tally = Tally()
    async for page in _pages(storage, keyring):
        await _stale(page, keyring, tally)
    return tally


async def rewrite(storage: Storage, keyring: Keyring, lifetime: Lifetime) -> Tally:
    """Seal anew what is stale. Where somebody else was faster, the value is left for the next pass to look at."""
    tally = Tally()
    async for page in _pages(storage, keyring):
        found = await _stale(page, keyring, tally)
        await asyncio.gather(*(_replace(storage, keyring, item, plain, lifetime) for item, plain in found))
    return tally


async def _pages(storage: Storage, keyring: Keyring) -> AsyncIterator[list[Item]]:
    """Prefixes that lie beneath another one are not gone through twice."""
    prefixes = sorted(keyring.covered)
    outer = [p for p in prefixes if not any(p != other and p.startswith(other) for other in prefixes)]
    for prefix in outer:
        after, more = "", True
        while more:
            page = await storage.list(prefix, limit=PAGE, after=after)
            yield page.items
            more = page.more
            after = page.items[-1].key if page.items else ""


async def _stale(items: list[Item], keyring: Keyring, tally: Tally) -> list[tuple[Item, bytes]]:
    found = []
    for item in items:
        tally.total += 1
        tally.by_origin[origin(item.value)] += 1
        try:
            opened = await keyring.sealer(item.key).open(item.key, item.value)
        except CannotOpen:
            tally.unreadable.append(item.key)
            continue
        if opened.stale:
            found.append((item, opened.plain))
    tally.stale += len(found)
    return found


async def _replace(storage: Storage, keyring: Keyring, item: Item, plain: bytes, lifetime: Lifetime) -> None:
    sealer = keyring.sealer(item.key)
    sealed = sealer.prefix + await sealer.seal(item.key, plain)
    try:
        await storage.update(item.key, sealed, expect=item.revision, ttl=lifetime(item.key))
    except RevisionMismatch:
        return


def origin(stored: bytes) -> str:
    """What sealed a value, as its prefix says: provider and key."""
    if not stored.startswith(SEALED):
        return "in the clear"
    kind, _, name, _ = (stored[len(SEALED) :].split(b":", 3) + [b""] * 4)[:4]
    return f"{kind.decode('ascii', 'replace')} {name.decode('utf-8', 'replace')}"
