"""Turns on the loop: who waits, who goes first, and what a request's steps cost."""

from __future__ import annotations

import asyncio

import pytest

from longboat.aio.usage import Usage
from longboat.apiserver.filters.turns import LIGHT, SLICE, Turns


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def work(hand: Hand, seconds: float, order: list[str], name: str) -> str:
    order.append(name)
    hand.now += seconds
    await asyncio.sleep(0)
    hand.now += seconds
    return name


def heavy(name: str, hand: Hand, seconds: float = 1.0) -> Usage:
    usage = Usage(name)
    usage.add(seconds, hand.now)
    return usage


def test_who_has_used_little_goes_at_once() -> None:
    async def main() -> None:
        hand = Hand()
        turns, usage = Turns(hand), Usage("jane")
        for _ in range(3):
            assert turns.at_once(usage)
        usage.add(LIGHT / 2, hand.now)
        assert turns.at_once(usage)

    asyncio.run(main())


def test_each_step_is_noted_and_waiting_is_not() -> None:
    async def main() -> None:
        hand = Hand()
        turns, usage = Turns(hand), Usage("jane")
        assert await turns.measured(work(hand, 0.01, [], "jane"), usage) == "jane"
        assert usage.lately(hand.now) == pytest.approx(0.02, abs=0.005)
        assert turns.spent == pytest.approx(0.02)

    asyncio.run(main())


def test_failures_and_cancellations_are_the_work_s_own() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def catches() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "caught"
        return "slept"

    async def main() -> None:
        turns = Turns(Hand())
        with pytest.raises(ValueError, match="no"):
            await turns.measured(fails(), Usage("jane"))

        async def run() -> str:
            return await turns.measured(catches(), Usage("jane"))

        task = asyncio.ensure_future(run())
        await asyncio.sleep(0)
        task.cancel()
        assert await task == "caught"

    asyncio.run(main())


def test_a_pass_of_the_loop_has_time_for_many_cheap_ones_or_one_dear() -> None:
    async def main() -> None:
        hand = Hand()
        turns, usage = Turns(hand), heavy("mallory", Hand())
        for _ in range(5):
            assert turns.at_once(usage)
            turns.spent += SLICE / 10
        turns.spent += SLICE
        assert not turns.at_once(usage)
        await asyncio.sleep(0)  # the next pass
        assert turns.at_once(usage)

    asyncio.run(main())


def test_who_has_used_least_is_woken_first_and_all_in_the_end() -> None:
    async def main() -> None:
        hand, order = Hand(), list[str]()
        turns = Turns(hand)
        flood = [heavy("mallory", hand, 1.0)] * 20
        other = heavy("jane", hand, 0.1)

        async def ask(usage: Usage) -> None:
            if not turns.at_once(usage):
                await turns.wait(usage)
            await turns.measured(work(hand, SLICE, order, usage.name), usage)

        await asyncio.gather(*(ask(usage) for usage in (*flood, other)))
        assert sorted(order) == ["jane"] + ["mallory"] * 20
        assert order.index("jane") <= 2  # those that went before she came, but not the nineteen that wait

    asyncio.run(main())


def test_one_that_is_given_up_takes_nobody_s_turn() -> None:
    async def main() -> None:
        hand = Hand()
        turns, usage = Turns(hand), heavy("mallory", Hand())
        waiting = [asyncio.ensure_future(turns.wait(usage)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.wait(waiting, timeout=5)
        assert waiting[0].cancelled() and waiting[1].done() and waiting[2].done()
        assert not turns._queues and not turns._usages

    asyncio.run(main())
