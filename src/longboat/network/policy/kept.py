"""One nftables table, kept as its parts say: what has changed of it, and the commands that bring the kernel there."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from longboat.network.proxy.ruleset import Ruleset, create, diff, merge

P = TypeVar("P", bound=Hashable)


class Kept(Generic[P]):
    """`witness` is a chain of `base`, by which to see whether the table is there. No I/O."""

    def __init__(self, place: str, base: Ruleset, witness: str) -> None:
        self.place, self._base, self.witness = place, base, witness
        self._parts: dict[P, Ruleset] = {}  # in the kernel
        self._next: dict[P, Ruleset] = {}  # will be, once `done`
        self._dirty: set[P] = set()
        self._taken: set[P] = set()  # is being written
        self.whole = True  # what the kernel has is not known to be ours: write it anew

    def mark(self, parts: Iterable[P]) -> None:
        self._dirty.update(parts)

    def present(self, part: P) -> Ruleset | None:
        """What the kernel has of a part."""
        return self._parts.get(part)

    def commands(self, make: Callable[[P], Ruleset]) -> str:
        """What to have carried out, "" for nothing; `done` or `failed` says how it went.

        `make` gives a part's share of the table, empty where there is (or is no longer) none.
        """
        self._taken, self._dirty = self._dirty | (self._parts.keys() if self.whole else set()), set()
        self._next = {part: make(part) for part in self._taken}
        if self.whole:
            return create(merge([self._base, *self._next.values()]), self.place)
        old = {part: self._parts.get(part, Ruleset()) for part in self._taken}
        return "" if old == self._next else diff(merge(old.values()), merge(self._next.values()), self.place)

    def done(self) -> None:
        """The kernel has it."""
        self._parts = {part: made for part, made in (self._parts | self._next).items() if made != Ruleset()}
        self.whole = False

    def failed(self) -> None:
        """The kernel has something else, or nobody knows what."""
        self._dirty |= self._taken
        self.whole = True
