"""One nftables table, kept as its parts say: what has changed of it, and the commands that bring the kernel there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from longboat.network.nftables import NftError
from longboat.network.ruleset import Ruleset, create, diff, merge

NOTHING = Ruleset()
P = TypeVar("P", bound=tuple[Any, ...])

Apply = Callable[[str], str]
"""Carries out nft commands, all or none. May block, so a thread calls it. Raises NftError."""


class _Claims(Generic[P]):
    """Which parts have a key of a map: nearly always one."""

    def __init__(self) -> None:
        self._by_map: dict[str, dict[str, P | set[P]]] = {}

    def rivals(self, part: P, *rules: Ruleset) -> set[P]:
        """The other parts that have a key of these rules."""
        found = set[P]()
        for each in rules:
            for name, elements in each.elements.items():
                held = self._by_map.get(name, {})
                for key in elements:
                    holder = held.get(key)
                    if isinstance(holder, set):
                        found |= holder
                    elif holder is not None and holder != part:
                        found.add(holder)
        return found - {part}

    def move(self, part: P, old: Ruleset, new: Ruleset) -> None:
        for name, elements in old.elements.items():
            held = self._by_map[name]
            for key in elements:
                holder = held[key]
                if isinstance(holder, set) and len(holder) > 1:
                    holder.discard(part)
                else:
                    del held[key]
        for name, elements in new.elements.items():
            held = self._by_map.setdefault(name, {})
            for key in elements:
                holder = held.setdefault(key, part)
                if isinstance(holder, set):
                    holder.add(part)
                elif holder != part:
                    held[key] = {holder, part}


class Kept(Generic[P]):
    """`witness` is a chain of `base`, by which to see whether the table is there. No I/O but in `check`."""

    def __init__(self, place: str, base: Ruleset, witness: str) -> None:
        self.place, self.base, self.witness = place, base, witness
        self._base = Ruleset()  # in the kernel
        self._parts: dict[P, Ruleset] = {}  # likewise
        self._next: dict[P, Ruleset] = {}  # will be, once `done`, with this base
        self._next_base = base
        self._dirty: set[P] = set()
        self._claims = _Claims[P]()  # of what is in the kernel
        self.whole = True  # what the kernel has is not known to be ours: write it anew

    def mark(self, parts: Iterable[P]) -> None:
        self._dirty.update(parts)

    def present(self, part: P) -> Ruleset | None:
        """What the kernel has of a part."""
        return self._parts.get(part)

    def commands(self, make: Callable[[P], Ruleset]) -> str:
        """What to have carried out, "" for nothing; `done` or `failed` says how it went.

        `make` gives a part's share of the table, empty where there is (or is no longer) none. Where two parts claim the
        same key of a map, the later in their order has it.
        """
        if _redeclared(self._base, self.base):
            self.whole = True  # a map made anew is empty
        taken = self._dirty | self._parts.keys() if self.whole else self._dirty
        made = {part: make(part) for part in taken}
        self._dirty = set()
        if not self.whole:
            for part in taken:
                for rival in self._claims.rivals(part, self._parts.get(part, NOTHING), made[part]):
                    made.setdefault(rival, self._parts[rival])  # as it is, to see who has what now
        self._next, self._next_base = {part: made[part] for part in sorted(made)}, self.base
        new = [self._next_base, *self._next.values()]
        if self.whole:
            return create(merge(new), self.place)
        old = [self._base, *(self._parts.get(part, NOTHING) for part in self._next)]
        return "" if old == new else diff(merge(old), merge(new), self.place)

    def done(self) -> None:
        """The kernel has it."""
        self._base = self._next_base
        for part, made in self._next.items():
            old = self._parts.pop(part, NOTHING)
            if made != NOTHING:
                self._parts[part] = made
            if made is not old:
                self._claims.move(part, old, made)
        self._next = {}
        self.whole = False

    def failed(self) -> None:
        """The kernel has something else, or nobody knows what."""
        self._dirty |= self._next.keys()
        self.whole = True

    async def check(self, apply: Apply) -> bool:
        """Look whether the table is still in the kernel; False where it has to be written anew."""
        if not self.whole:
            try:
                await asyncio.to_thread(apply, f"list chain {self.place} {self.witness}")
            except NftError:
                self.whole = True
        return not self.whole


def _redeclared(old: Ruleset, new: Ruleset) -> bool:
    """Whether a map or set is no longer what it was."""
    return old is not new and any(old.tables.get(name, table) != table for name, table in new.tables.items())
