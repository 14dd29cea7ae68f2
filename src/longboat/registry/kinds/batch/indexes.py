"""Lists of indexes as users and controllers write them: `0,2-5`."""

from __future__ import annotations

import re

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
LONGEST = 20  # digits; what has more is no int64


class Malformed(ValueError):
    """The list is no list of indexes; the text says why."""


def count(text: str, below: int) -> int:
    """How many there are. Raises Malformed."""
    total, last = 0, None
    for first, end in [_interval(piece, below) for piece in text.split(",")] if text else ():
        if last is not None and last >= first:
            raise Malformed(f"non-increasing order, previous: {last}, current: {first}")
        total, last = total + end - first + 1, end
    return total


def overlap(one: str, other: str, below: int) -> int | None:
    """The first index found that is in both; pieces that are none are passed over."""
    left, right = _intervals(one, below), _intervals(other, below)
    i = j = 0
    while i < len(left) and j < len(right):
        (first, end), (low, high) = left[i], right[j]
        if first <= high and low <= end:
            return max(first, low)
        i, j = (i + 1, j) if first <= low else (i, j + 1)
    return None


def _intervals(text: str, below: int) -> list[tuple[int, int]]:
    found = []
    for piece in text.split(",") if text else ():
        try:
            found.append(_interval(piece, below))
        except Malformed:
            continue
    return found


def _interval(piece: str, below: int) -> tuple[int, int]:
    ends = piece.split("-")
    if len(ends) > 2:
        why = "violates the requirement that an index interval can have at most two parts separated by '-'"
        raise Malformed(f'the fragment "{piece}" {why}')
    numbers = [_number(end, below) for end in ends]
    if len(numbers) == 2 and numbers[0] >= numbers[1]:
        raise Malformed(f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}")
    return numbers[0], numbers[-1]


def _number(text: str, below: int) -> int:
    if not _INTEGER.fullmatch(text) or len(text) > LONGEST:
        raise Malformed(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= below:
        raise Malformed(f'too large index: "{text}"')
    return int(text)
