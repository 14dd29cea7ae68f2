"""The narrow interface every place that stores objects offers (one shared suite tests them all).

Keys are upstream's (`/registry/pods/<namespace>/<name>`); values are opaque bytes. Revisions are one
64-bit order over all keys; a write's revision is its place in that order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A stored value and the revision of the write that left it there."""

    key: str
    value: bytes
    revision: int


class Unopened(bytes):
    """A value as it is stored, sealed, because it could not be opened; `why` says what the matter is."""

    why: str

    def __new__(cls, stored: bytes, why: str) -> Unopened:
        made = super().__new__(cls, stored)
        made.why = why
        return made


class Page(msgspec.Struct, frozen=True):
    """Part of a listing in key order. `remaining` counts the keys after the last one; -1 stands for some, which only a
    listing at a revision that was named counts."""

    items: list[Item]
    revision: int
    remaining: int = 0

    @property
    def more(self) -> bool:
        return self.remaining != 0


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One change. `value` is None for a deletion, `previous` None for a creation."""

    key: str
    revision: int
    value: bytes | None
    previous: bytes | None


class Progress(msgspec.Struct, frozen=True):
    """Every event up to and including `revision` has been delivered."""

    revision: int


class StorageError(Exception):
    """The backend could not do what was asked (it is gone, full, or broken). Nothing is known of the write."""


class KeyExists(Exception):
    """A create met a key that is there."""


class RevisionMismatch(Exception):
    """A compare-and-swap lost. `current` is what is there now, None if nothing is."""

    def __init__(self, current: Item | None) -> None:
        super().__init__("revision mismatch")
        self.current = current


class Unreadable(Exception):
    """What is stored at a key cannot be opened."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f'unable to transform key "{key}": {why}')


class Compacted(Exception):
    """History no longer reaches back to the revision asked for."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"revision compacted, the oldest kept is {oldest}")
        self.oldest = oldest


class FutureRevision(Exception):
    """A revision was asked for that has not been written yet."""

    def __init__(self, current: int) -> None:
        super().__init__(f"revision not reached, the newest is {current}")
        self.current = current


class Storage(Protocol):
    """A write returns only once it is durable. Events of a watch come in revision order, none twice, none missing."""

    async def get(self, key: str) -> Item | None: ...

    async def list(self, prefix: str, *, at_revision: int = 0, limit: int = 0, after: str = "") -> Page:
        """Keys beneath `prefix` (which ends in "/"), greater than `after`. Revision 0 is the newest; limit 0 is none.

        Raises Compacted or FutureRevision.
        """
        ...

    async def create(self, key: str, value: bytes, *, ttl: float | None = None) -> int:
        """The new revision. `ttl` seconds later the key is deleted as by `delete`. Raises KeyExists."""
        ...

    async def update(self, key: str, value: bytes, *, expect: int, ttl: float | None = None) -> int:
        """Replace the value if its revision is `expect`. Raises RevisionMismatch."""
        ...

    async def delete(self, key: str, *, expect: int) -> int:
        """Remove the key if its revision is `expect`; returns the deletion's revision. Raises RevisionMismatch."""
        ...

    def watch(
        self, prefix: str, from_revision: int, *, previous: bool = True
    ) -> AsyncIterator[Sequence[Event] | Progress]:
        """Every change beneath `prefix` after `from_revision`, in batches, and progress now and then while idle.

        `previous=False` spares the backend fetching previous values: the events carry None instead.
        Raises Compacted, before or during, and FutureRevision.
        """
        ...

    async def stale(self, key: str) -> bool:
        """Whether the value is to be written again even if it stays the same: it was sealed with an old key."""
        ...

    async def current_revision(self) -> int: ...

    async def compact(self, revision: int) -> None:
        """Forget history before `revision` (what is current stays)."""
        ...

    async def close(self) -> None: ...


class Purged(Storage, Protocol):
    """What keeps a cluster on disks."""

    async def purge(self) -> None:
        """Forget all history, so that what was deleted or replaced is in no file any more."""
        ...
