"""Numbers of an indexed Job's pods, as the ranges the API writes them in: `0,2-5`. Pure.

Never spelled out one by one: what a user writes into a success policy may speak of billions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LONGEST = 10  # digits of an int32


@dataclass(frozen=True)
class Indexes:
    """`ranges` are (first, last), ascending, with at least one number between two of them."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Indexes:
        return cls(tuple(_joined(sorted((number, number) for number in numbers))))

    @classmethod
    def parse(cls, text: str, below: int) -> Indexes:
        """Only numbers that are smaller than `below`; pieces that are no ranges are passed over."""
        found = []
        for piece in text.split(","):
            low, _, high = piece.partition("-")
            first, last = number(low), number(high or low)
            if first is None or last is None:
                continue
            last = min(last, below - 1)
            if first <= last:
                found.append((first, last))
        return cls(tuple(_joined(sorted(found))))

    def __or__(self, other: Indexes) -> Indexes:
        return Indexes(tuple(_joined(sorted((*self.ranges, *other.ranges))))) if other.ranges else self

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self.ranges, number, key=lambda each: each[1])
        return at < len(self.ranges) and self.ranges[at][0] <= number

    def __bool__(self) -> bool:
        return bool(self.ranges)

    @property
    def total(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def shared(self, other: Indexes) -> int:
        """How many numbers both have."""
        mine, theirs, count = 0, 0, 0
        while mine < len(self.ranges) and theirs < len(other.ranges):
            first, last = self.ranges[mine]
            low, high = other.ranges[theirs]
            count += max(0, min(last, high) - max(first, low) + 1)
            mine, theirs = (mine + 1, theirs) if last < high else (mine, theirs + 1)
        return count

    def missing(self, below: int) -> Iterator[int]:
        """The numbers from 0 that are not among these, ascending."""
        start = 0
        for first, last in self.ranges:
            yield from range(start, min(first, below))
            start = last + 1
        yield from range(start, below)

    def __str__(self) -> str:
        """Runs of three and more as ranges, pairs by a comma (batch/v1 completedIndexes)."""
        return ",".join(_shown(first, last) for first, last in self.ranges)


def number(text: str) -> int | None:
    """An index; None for anything else, and for what no index can be."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST else None


def _joined(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Sorted ranges with those that touch made one."""
    held: tuple[int, int] | None = None
    for first, last in ranges:
        if held is None:
            held = first, last
        elif first <= held[1] + 1:
            held = held[0], max(held[1], last)
        else:
            yield held
            held = first, last
    if held is not None:
        yield held


def _shown(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"
