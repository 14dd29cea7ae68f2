"""Ranges of sizes and costs: the least and the most, never more than 64 bits hold."""

from __future__ import annotations

import math
from typing import NamedTuple

MOST = (1 << 64) - 1
TEXT, PATTERN = 0.1, 0.25  # of a character that is walked over; of one of a pattern
LIST, MAP, STRUCT = 10, 30, 40  # to make one


class Range(NamedTuple):
    """From `least` to `most`."""

    least: int
    most: int

    def plus(self, other: Range) -> Range:
        return Range(min(MOST, self.least + other.least), min(MOST, self.most + other.most))

    def times(self, other: Range) -> Range:
        return Range(min(MOST, self.least * other.least), min(MOST, self.most * other.most))

    def by(self, factor: float) -> Range:
        """Times a factor, rounded up."""
        return Range(scaled(self.least, factor), scaled(self.most, factor))

    def or_(self, other: Range) -> Range:
        return Range(min(self.least, other.least), max(self.most, other.most))


def scaled(value: int, factor: float) -> int:
    found = math.ceil(float(value) * factor)
    return MOST if found >= 1 << 64 else found


def fixed(value: int) -> Range:
    return Range(value, value)


UNKNOWN = Range(0, MOST)
ONE = fixed(1)
NOTHING = fixed(0)


class Items(NamedTuple):
    """The sizes of what is in a list or a map."""

    kind: str
    key: Range
    value: Range

    def or_(self, other: Items | None) -> Items | None:
        if other is None:
            return None
        return Items(self.kind, self.key.or_(other.key), self.value.or_(other.value))
