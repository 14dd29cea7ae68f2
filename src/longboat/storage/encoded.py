"""Entries in another encoding than their JSON, kept for as long as somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable

from longboat.storage.entry import Entry

MOST = 16 << 20  # bytes of one generation, and
LASTS = 60.0  # seconds after which the next one begins: what nobody asks for goes after two of them


class Encoded:
    """What several ask for is made once. There are two generations: what is asked for moves to the younger, and the
    older goes whole. So an idle cluster keeps nothing, and a busy one no more than twice `MOST`.

    Used by the loop and by threads that work beside it: at worst something is made twice.
    """

    def __init__(self, now: float) -> None:
        self._young: dict[Entry, bytes] = {}
        self._old: dict[Entry, bytes] = {}
        self._size = 0
        self._since = now

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def of(self, entry: Entry, make: Callable[[Entry], bytes]) -> bytes:
        found = self._young.get(entry)
        if found is None:
            found = self._old.get(entry)
            if found is None:
                found = make(entry)
            if self._size > MOST:
                self._turn()
            self._young[entry] = found
            self._size += len(found)
        return found

    def has(self, entry: Entry) -> bool:
        return entry in self._young or entry in self._old

    def tick(self, now: float) -> None:
        """Now and then."""
        if now - self._since >= LASTS:
            self._since = now
            self._turn()

    def _turn(self) -> None:
        self._old, self._young, self._size = self._young, {}, 0
