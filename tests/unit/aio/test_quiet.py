"""A loop is at rest when all wait: for no turn, no thread and no timer that is due."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longboat.aio import quiet
from longboat.aio.clock import VirtualClock
from longboat.aio.quiet import Quiet, Unsettled
from longboat.aio.threads import aside


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def blocked(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


async def relayed(count: int) -> None:
    """Each task starts the next, and waits for it."""
    if count:
        await asyncio.create_task(relayed(count - 1))


async def called(count: int) -> None:
    """In threads, one after the other; each outcome leads to more."""
    for _ in range(count):
        await asyncio.to_thread(blocked, 0.001)
        await turns(3)
        await aside(blocked, 0.001)


async def timed(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(1e-9)


WORK = st.tuples(st.sampled_from([turns, relayed, called, timed]), st.integers(0, 6))


@settings(max_examples=40, deadline=None)
@given(st.lists(WORK, max_size=6))
def test_who_waits_for_it_finds_all_work_done(work: list[tuple[Callable[[int], Awaitable[None]], int]]) -> None:
    async def main() -> None:
        at_rest, done = Quiet(), 0

        async def one(what: Callable[[int], Awaitable[None]], count: int) -> None:
            nonlocal done
            await what(count)
            done += 1

        tasks = [asyncio.create_task(one(*each)) for each in work]
        await at_rest.wait()
        assert done == len(work)
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_what_waits_for_somebody_else_is_not_waited_for() -> None:
    async def main() -> None:
        at_rest, clock, never = Quiet(), VirtualClock(), asyncio.Event()
        tasks = [asyncio.create_task(each) for each in (clock.sleep(10), never.wait(), asyncio.sleep(60))]
        await at_rest.wait()
        assert not any(task.done() for task in tasks)
        for task in tasks:
            task.cancel()

    asyncio.run(main())


def test_a_call_that_is_given_up_is_out_until_it_ends() -> None:
    async def main() -> None:
        at_rest, ended = Quiet(), threading.Event()
        task = asyncio.create_task(asyncio.to_thread(lambda: (time.sleep(0.05), ended.set())))
        await asyncio.sleep(0)
        task.cancel()
        await at_rest.wait()
        assert ended.is_set()

    asyncio.run(main())


def test_what_never_rests_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "MOST_TURNS", 100)

    async def main() -> None:
        task = asyncio.create_task(turns(1_000_000), name="the-spinner")
        with pytest.raises(Unsettled, match="the-spinner"):
            await Quiet().wait()
        task.cancel()

    asyncio.run(main())


def test_several_may_wait_at_once() -> None:
    async def main() -> None:
        at_rest = Quiet()
        async with asyncio.timeout(10):
            await asyncio.gather(*(at_rest.wait() for _ in range(3)))

    asyncio.run(main())
