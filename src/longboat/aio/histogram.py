"""How values are spread: counts by upper bounds, and their sum. Cheap enough for what happens all the time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """`counts` has one more than `bounds`: values above the last. A bound belongs to what is below it."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    @property
    def count(self) -> int:
        return sum(self.counts)


def exponential(first: float, factor: float, count: int) -> tuple[float, ...]:
    """So many bounds, each `factor` times the one before."""
    return tuple(float(f"{first * factor**number:.12g}") for number in range(count))
