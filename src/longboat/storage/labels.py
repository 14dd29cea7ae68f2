"""Which entries carry which labels, so that a selector costs what it finds and not what there is.

Entries with the same labels are one label set (most objects are one of many of a kind). An index from each label to the
sets that have it answers a selector: the requirement that leaves fewest sets names the candidates (`=`, `in`, `exists`
those in the index, `!=`, `notin`, `!` all but those), and the whole selector is asked of each of them. What matches
nothing is mostly known from the counts alone.

Nearly every label value of a large cluster is either on thousands of objects or on one: a place with a single item
holds it bare, without a set around it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import chain, filterfalse
from typing import TypeAlias, TypeVar

from longboat.machinery.selectors import LabelSelector, Requirement
from longboat.storage.entry import Entry

T = TypeVar("T")
Held: TypeAlias = "T | set[T]"  # an item that is alone, or several
EXCLUDING = frozenset(("!=", "notin", "!"))


class LabelSet:
    """One combination of labels, and the keys of the entries that carry it."""

    __slots__ = ("keys", "labels")

    def __init__(self, labels: Mapping[str, str], key: str) -> None:
        self.labels = labels
        self.keys: Held[str] = key


class LabelIndex:
    """Of all entries of a cache. Empty, it costs nothing."""

    def __init__(self) -> None:
        self._sets: dict[tuple[str, ...], LabelSet] = {}
        self._values: dict[str, dict[str, Held[LabelSet]]] = {}  # by label and value
        self._having: dict[str, int] = {}  # how many sets have the label

    def change(self, old: Entry | None, new: Entry | None) -> None:
        """Take `new` for `old` (None: not there). Entries with the same labels come to share them."""
        if old is not None:
            if new is not None and new.labels == old.labels:
                new.labels = old.labels
                return
            self._remove(old)
        if new is not None:
            self._add(new)

    def keys(self, selector: LabelSelector, most: int) -> list[str] | None:
        """Of the entries that match, in no order. None if they may be more than `most`: going through all entries is
        cheaper then."""
        if selector.nothing:
            return []
        if selector.empty:
            return None
        least = min(map(self._size, selector.requirements))
        if not least or least > most:
            return None if least else []
        found: list[str] = []
        for each in self._candidates(min(selector.requirements, key=self._effort)):
            if selector.matches(each.labels):
                keys = _items(each.keys)
                if len(found) + len(keys) > most:
                    return None
                found += keys
        return found

    def _add(self, entry: Entry) -> None:
        labels = entry.labels
        identity = tuple(chain.from_iterable(labels.items()))
        known = self._sets.get(identity)
        if known is not None:
            entry.labels = known.labels
            known.keys = _with(known.keys, entry.key)
            return
        made = self._sets[identity] = LabelSet(labels, entry.key)
        for name, value in labels.items():
            values = self._values.setdefault(name, {})
            values[value] = _with(values[value], made) if value in values else made
            self._having[name] = self._having.get(name, 0) + 1

    def _remove(self, entry: Entry) -> None:
        identity = tuple(chain.from_iterable(entry.labels.items()))
        known = self._sets[identity]
        if (keys := _without(known.keys, entry.key)) is not None:
            known.keys = keys
            return
        del self._sets[identity]
        for name, value in entry.labels.items():
            values = self._values[name]
            if (sets := _without(values[value], known)) is not None:
                values[value] = sets
            else:
                del values[value]
            self._having[name] -= 1
            if not values:
                del self._values[name], self._having[name]

    def _size(self, requirement: Requirement) -> int:
        """How many label sets it leaves, at the most."""
        having = self._having.get(requirement.key, 0)
        match requirement.operator:
            case "in" | "=" | "==":
                return self._count(requirement)
            case "notin" | "!=":
                return len(self._sets) - self._count(requirement)
            case "!":
                return len(self._sets) - having
        return having

    def _effort(self, requirement: Requirement) -> int:
        """How many label sets have to be looked at to find those."""
        return len(self._sets) if requirement.operator in EXCLUDING else self._size(requirement)

    def _count(self, requirement: Requirement) -> int:
        values = self._values.get(requirement.key)
        return sum(len(_items(each)) for each in _places(values, requirement)) if values else 0

    def _candidates(self, requirement: Requirement) -> Iterable[LabelSet]:
        """Those that `_size` counts."""
        key = requirement.key
        values = self._values.get(key, {})
        match requirement.operator:
            case "in" | "=" | "==":
                return _all(_places(values, requirement))
            case "notin" | "!=":
                if len(requirement.values) > 1:
                    return [each for each in self._sets.values() if each.labels.get(key) not in requirement.values]
                (value,) = requirement.values
                return filterfalse(_items(values.get(value, set())).__contains__, self._sets.values())
            case "!":
                return [each for each in self._sets.values() if key not in each.labels]
        return _all(values.values())


def _places(values: Mapping[str, Held[LabelSet]], requirement: Requirement) -> Iterable[Held[LabelSet]]:
    """Of the values that the requirement names."""
    return (values[each] for each in requirement.values if each in values)


def _all(places: Iterable[Held[LabelSet]]) -> Iterable[LabelSet]:
    return chain.from_iterable(map(_items, places))


def _items(held: Held[T]) -> Collection[T]:
    return held if isinstance(held, set) else (held,)


def _with(held: Held[T], item: T) -> Held[T]:
    if isinstance(held, set):
        held.add(item)
        return held
    return {held, item}


def _without(held: Held[T], item: T) -> Held[T] | None:
    """None if nothing is left."""
    if not isinstance(held, set):
        return None
    held.discard(item)
    return held or None
