"""Long documents in pieces: made once, shared by all answers that are on their way at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

BEHIND = 64 << 10  # bytes that may lie behind a connection, encrypted, before its client is waited for
SMALL = 128 << 10  # bytes that are sent in one piece: what is longer waits for its client in between
MEANT = SMALL * 9 // 10  # bytes of a piece, as items are not quite alike


class Pieces:
    """Bytes that are never put together. Who sends them holds them; nobody else need, so that they can be known by weak
    references: a storm of clients that ask for the same costs the memory of one, and nothing once it is over."""

    __slots__ = ("__weakref__", "_source", "packed", "pieces", "size")

    def __init__(self, pieces: Sequence[bytes], source: Pieces | None = None) -> None:
        """`source`: what these are made of, and keep for others as long as they are sent themselves."""
        self.pieces = pieces
        self._source = source
        self.size = sum(map(len, pieces))
        self.packed: Sequence[bytes] | None = None  # the same, compressed, once somebody has asked for that

    @classmethod
    def of_items(cls, items: list[bytes], *, begin: bytes = b"", between: bytes, end: bytes) -> Pieces:
        """A list (of at least one item, which is used up), in pieces of at most `SMALL` bytes where its items
        are alike; longer ones are divided when they are sent. Nothing here is done for each item in Python: there may
        be a hundred thousand."""
        items[0] = begin + items[0]
        items[-1] += end
        size = sum(map(len, items)) + len(between) * len(items)
        each = max(len(items) * MEANT // size, 1) if size > SMALL else len(items)
        pieces: list[bytes] = []
        for first in range(0, len(items), each):
            group = items[first : first + each]
            if first + each < len(items):
                group.append(b"")  # for what comes between it and the next
            pieces.append(between.join(group))
        return cls(pieces)

    def joined(self) -> bytes:
        return b"".join(self.pieces)


NONE = Pieces(())


class Outgoing(Iterator[bytes]):
    """What has yet to be sent of an answer, `most` bytes at a time. It lets go of it at the end, and at `clear`."""

    def __init__(self, body: bytes = b"", tail: Pieces = NONE, most: int = SMALL) -> None:
        self._most = most
        self._tail = tail
        self._pieces = deque((body, *tail.pieces) if body else tail.pieces)
        self._at = 0  # bytes of the first that have been given out

    def __next__(self) -> bytes:
        if not self._pieces:
            self.clear()
            raise StopIteration
        first, at = self._pieces[0], self._at
        if at + self._most >= len(first):
            self._pieces.popleft()
            self._at = 0
        else:
            self._at += self._most
        return first[at : at + self._most]  # all of a piece that fits is that piece, not a copy

    def clear(self) -> None:
        self._pieces.clear()
        self._tail = NONE
