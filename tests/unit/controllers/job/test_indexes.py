"""Ranges of indexes do what sets of them would, without being as long."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from longboat.controllers.job.indexes import Indexes

numbers = st.frozensets(st.integers(0, 30))


@given(numbers)
def test_indexes_are_shown_as_they_are_read(found: frozenset[int]) -> None:
    assert Indexes.parse(str(Indexes.of(found)), 31) == Indexes.of(found)


@given(numbers, numbers, st.integers(0, 35))
def test_they_do_what_sets_do(one: frozenset[int], other: frozenset[int], below: int) -> None:
    mine, theirs = Indexes.of(one), Indexes.of(other)
    assert mine | theirs == Indexes.of(one | other)
    assert mine.shared(theirs) == len(one & other)
    assert mine.total == len(one) and bool(mine) == bool(one)
    assert [number in mine for number in range(35)] == [number in one for number in range(35)]
    assert list(mine.missing(below)) == [number for number in range(below) if number not in one]
    assert Indexes.parse(str(mine), below) == Indexes.of(number for number in one if number < below)


def test_runs_become_ranges() -> None:
    assert str(Indexes.of((0, 1, 3, 4, 5, 9))) == "0,1,3-5,9"


def test_what_is_no_range_is_passed_over_and_billions_cost_nothing() -> None:
    assert str(Indexes.parse("x,1-,-2,3-y,7,9-8,5,99999999999", 100)) == "1,5,7"
    vast = Indexes.parse("0-1999999999", 2_000_000_000)
    assert vast.total == vast.shared(vast) == 2_000_000_000
    assert list(islice(Indexes().missing(2_000_000_000), 2)) == [0, 1]
