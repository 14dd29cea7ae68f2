"""Bounded fan-out: everything is done, never too much at a time, and errors are not lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.aio.backoff import Backoff, doubling
from longboat.aio.fanout import fan_out


@given(st.lists(st.tuples(st.integers(), st.integers(1, 5))), st.integers(1, 5))
def test_results_come_in_order_and_never_too_many_at_a_time(items: list[tuple[int, int]], width: int) -> None:
    running = most = 0

    async def work(item: tuple[int, int]) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(item[1]):
            await asyncio.sleep(0)
        running -= 1
        return item[0]

    assert asyncio.run(fan_out(items, work, width=width)) == [value for value, _ in items]
    assert most == min(width, len(items))


def test_one_error_does_not_keep_others_from_their_turn() -> None:
    done: list[int] = []

    async def work(item: int) -> None:
        await asyncio.sleep(0)
        done.append(item)
        if item in (2, 4):
            raise LookupError(item)

    with pytest.raises(LookupError, match="2"):
        asyncio.run(fan_out(range(6), work, width=2))
    assert sorted(done) == list(range(6))


def test_cancelling_ends_all_that_is_going_on() -> None:
    ended: list[int] = []

    async def work(item: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(item)

    async def main() -> None:
        task = asyncio.create_task(fan_out(range(6), work, width=3))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert sorted(ended) == [0, 1, 2]


@given(st.integers(1, 200), st.floats(0.001, 10), st.floats(0.001, 1000))
def test_delays_double_up_to_the_longest(failures: int, first: float, longest: float) -> None:
    assert doubling(failures, first, longest) <= longest
    assert doubling(failures, first, longest) <= doubling(failures + 1, first, longest)
    if first <= longest:
        assert doubling(1, first, longest) == first


@given(st.randoms(use_true_random=False), st.integers(1, 40))
def test_backoff_keeps_its_bounds(dice: object, failures: int) -> None:
    backoff = Backoff(first=1, longest=30, jitter=0.5, dice=dice)  # type: ignore[arg-type]
    delays = [backoff.next() for _ in range(failures)]
    assert all(min(2**n, 30) <= delay <= min(2**n, 30) * 1.5 for n, delay in enumerate(delays))
    backoff.reset()
    assert 1 <= backoff.next() <= 1.5
