"""An ordered map of entries that is never changed, only succeeded: readers keep what they hold.

Entries lie in key order in chunks; a successor shares every chunk it did not touch.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter

from longboat.storage.entry import Entry
from longboat.storage.keys import end_of

KEY = attrgetter("key")
CHUNK = 256  # entries; beyond twice as many a chunk is split


class Ordered:
    """Chunks of entries in key order, and the first key of each."""

    __slots__ = ("chunks", "firsts")

    def __init__(self, chunks: list[list[Entry]]) -> None:
        self.chunks = chunks
        self.firsts = [chunk[0].key for chunk in chunks]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Ordered:
        ordered = sorted(entries, key=KEY)
        return cls([ordered[i : i + CHUNK] for i in range(0, len(ordered), CHUNK)])

    def succeed(self, changes: Iterable[tuple[str, Entry | None]]) -> Ordered:
        """The map after `changes` (None removes the key)."""
        successor = Ordered.__new__(Ordered)
        successor.chunks = chunks = self.chunks.copy()
        successor.firsts = firsts = self.firsts.copy()
        own: set[int] = set()  # ids of the chunks made here, which may be changed in place
        for key, entry in changes:
            at = max(bisect_right(firsts, key) - 1, 0)
            if not chunks:
                chunks.append([])
                firsts.append(key)
                own.add(id(chunks[0]))
            elif id(chunks[at]) not in own:
                chunks[at] = chunks[at].copy()
                own.add(id(chunks[at]))
            chunk = chunks[at]
            place = bisect_left(chunk, key, key=KEY)
            present = place < len(chunk) and chunk[place].key == key
            if entry is not None:
                chunk[place : place + present] = (entry,)
            elif present:
                del chunk[place]
            if not chunk:
                own.discard(id(chunk))
                del chunks[at], firsts[at]
            else:
                firsts[at] = chunk[0].key
                if len(chunk) > 2 * CHUNK:
                    half = chunk[CHUNK:]
                    del chunk[CHUNK:]
                    chunks.insert(at + 1, half)
                    firsts.insert(at + 1, half[0].key)
                    own.add(id(half))
        return successor

    def position(self, key: str, after: bool = False) -> tuple[int, int]:
        """The chunk and the place in it of the first entry whose key is not less than `key` (`after`: greater)."""
        at = bisect_right(self.firsts, key) - 1
        if at < 0:
            return 0, 0
        bisect = bisect_right if after else bisect_left
        place = bisect(self.chunks[at], key, key=KEY)
        return at, place


class Snapshot:
    """Every object of one resource as of `revision`."""

    __slots__ = ("_ordered", "revision")

    def __init__(self, revision: int, ordered: Ordered) -> None:
        self.revision = revision
        self._ordered = ordered

    def entries(self, prefix: str, after: str = "", limit: int = 0) -> list[Entry]:
        """Entries beneath `prefix` with keys greater than `after`, in key order. Limit 0 is none."""
        chunks = self._ordered.chunks
        (first, start), (last, stop) = self._range(prefix, after)
        found: list[Entry] = []
        for at in range(first, min(last + 1, len(chunks))):
            chunk = chunks[at]
            low = start if at == first else 0
            high = stop if at == last else len(chunk)
            found += chunk if (low, high) == (0, len(chunk)) else chunk[low:high]
            if limit and len(found) >= limit:
                return found[:limit]
        return found

    def walk(self, prefix: str) -> Iterator[Entry]:
        """As `entries`, one by one: costs nothing to hold."""
        chunks = self._ordered.chunks
        (first, start), (last, stop) = self._range(prefix, "")
        for at in range(first, min(last + 1, len(chunks))):
            yield from islice(chunks[at], start if at == first else 0, stop if at == last else None)

    def count(self, prefix: str, after: str = "") -> int:
        """How many entries `entries` would return without a limit."""
        (first, start), (last, stop) = self._range(prefix, after)
        return sum(len(chunk) for chunk in self._ordered.chunks[first:last]) - start + stop

    def _range(self, prefix: str, after: str) -> tuple[tuple[int, int], tuple[int, int]]:
        low = self._ordered.position(after, after=True) if after >= prefix else self._ordered.position(prefix)
        return low, max(low, self._ordered.position(end_of(prefix)))
