"""Unified diffs of lines, in bounded time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Any

CONTEXT = 3  # lines around a difference
MOST_WORK = 1_000_000  # pairs of lines looked at

Opcode = tuple[str, int, int, int, int]


def _hunk(group: Sequence[Opcode], before: list[str], after: list[str]) -> Iterator[str]:
    (_, i1, _, j1, _), (_, _, i2, _, j2) = group[0], group[-1]
    yield f"@@ -{_range(i1, i2)} +{_range(j1, j2)} @@\n"
    for tag, a, b, c, d in group:
        if tag == "equal":
            yield from (f" {line}" for line in before[a:b])
        else:
            yield from (f"-{line}" for line in before[a:b])
            yield from (f"+{line}" for line in after[c:d])


def _range(start: int, stop: int) -> str:
    length = stop - start
    if length == 1:
        return f"{start + 1}"
    return f"{start + 1 if length else start},{length}"


def diff(before: list[str], after: list[str]) -> str:
    """What differs, three lines around it, as Go's difflib (a port of Python's) tells it without names of files. Lines
    end with a line break.

    What would take long to find is told as one change, from the first line that differs to the last.
    """
    try:
        groups = list(_Bounded(before, after).get_grouped_opcodes(CONTEXT))
    except _TooMuch:
        groups = [_in_one(before, after)]
    return "".join(line for group in groups for line in _hunk(group, before, after))


class _TooMuch(Exception):
    pass


class _Bounded(SequenceMatcher[str]):
    """One whose work is bounded: difflib's is quadratic in lines that repeat, and in changes."""

    def __init__(self, before: list[str], after: list[str]) -> None:
        super().__init__(None, before, after)
        pairs: dict[str, list[int]] = self.b2j  # type: ignore[attr-defined]
        self._work = list(accumulate((1 + len(pairs.get(line, ())) for line in before), initial=0))
        self._left = MOST_WORK

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Any:
        self._left -= self._work[-1 if ahi is None else ahi] - self._work[alo]
        if self._left < 0:
            raise _TooMuch
        return super().find_longest_match(alo, ahi, blo, bhi)


def _in_one(before: list[str], after: list[str]) -> list[Opcode]:
    """Everything between the first and the last line that differ."""
    short = min(len(before), len(after))
    head = next((i for i in range(short) if before[i] != after[i]), short)
    tail = next((i for i in range(short - head) if before[-1 - i] != after[-1 - i]), short - head)
    a, c = len(before) - tail, len(after) - tail
    first, kept = max(head - CONTEXT, 0), min(tail, CONTEXT)
    return [("equal", first, head, first, head), ("replace", head, a, head, c), ("equal", a, a + kept, c, c + kept)]
