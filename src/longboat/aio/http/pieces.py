"""Long documents in pieces: made once, shared by all answers that are on their way at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

SMALL = 128 << 10  # bytes that are sent in one piece: what is longer waits for its client in between


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
    def of_items(cls, items: Iterable[bytes], end: bytes) -> Pieces:
        """The items, with commas between them, and `end` after the last; in pieces of at most `SMALL` bytes, where no
        item is longer."""
        pieces: list[bytes] = []
        group: list[bytes] = []
        room = SMALL - len(end)
        for item in items:
            room -= len(item) + 1
            if room < 0 and group:
                group.append(b"")  # for the comma after it
                pieces.append(b",".join(group))
                group, room = [], SMALL - len(end) - len(item) - 1
            group.append(item)
        if group:
            group[-1] += end
        pieces.append(b",".join(group) or end)
        return cls(pieces)

    def joined(self) -> bytes:
        return b"".join(self.pieces)


NONE = Pieces(())


class Outgoing(Iterator[bytes]):
    """What has yet to be sent of an answer, `SMALL` bytes at a time. It lets go of it at the end, and at `clear`."""

    def __init__(self, body: bytes = b"", tail: Pieces = NONE) -> None:
        self._tail = tail
        self._pieces = deque((body, *tail.pieces) if body else tail.pieces)
        self._at = 0  # bytes of the first that have been given out

    def __next__(self) -> bytes:
        if not self._pieces:
            self.clear()
            raise StopIteration
        first, at = self._pieces[0], self._at
        if at + SMALL >= len(first):
            self._pieces.popleft()
            self._at = 0
        else:
            self._at += SMALL
        return first[at : at + SMALL]  # all of a piece that fits is that piece, not a copy

    def clear(self) -> None:
        self._pieces.clear()
        self._tail = NONE
