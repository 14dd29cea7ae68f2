"""Many pieces of work with one limit: each ends in time, by itself or not, and only a timer that is needed is set."""

from __future__ import annotations

import asyncio

import pytest

from longboat.aio.clock import VirtualClock
from longboat.aio.deadlines import Deadlines


async def outcome(deadlines: Deadlines, work: asyncio.Future[str]) -> str:
    try:
        return await deadlines.run(work)
    except TimeoutError:
        return "late"


def test_each_has_its_time_from_when_it_began() -> None:
    async def main() -> None:
        clock = VirtualClock()
        deadlines, loop = Deadlines(clock, 60), asyncio.get_running_loop()
        first, second, third = (loop.create_future() for _ in range(3))
        tasks = [asyncio.create_task(outcome(deadlines, first))]
        await clock.advance(20)
        tasks += [asyncio.create_task(outcome(deadlines, work)) for work in (second, third)]
        await clock.advance(39)
        second.set_result("done")
        await clock.advance(2)
        assert [task.done() for task in tasks] == [True, True, False]
        await clock.advance(18)
        assert not tasks[2].done()
        await clock.advance(1)
        assert [await task for task in tasks] == ["late", "done", "late"]
        assert first.cancelled() and third.cancelled(), "what is late is ended, not left alone"

    asyncio.run(main())


def test_who_cancels_the_task_is_heard() -> None:
    async def main() -> None:
        clock = VirtualClock()
        deadlines, work = Deadlines(clock, 60), asyncio.get_running_loop().create_future()
        task = asyncio.create_task(outcome(deadlines, work))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await clock.advance(61)  # nothing is left that could be cancelled

    asyncio.run(main())


def test_who_cancels_it_as_it_is_late_is_heard_too() -> None:
    async def main() -> None:
        clock = VirtualClock()
        deadlines, work = Deadlines(clock, 60), asyncio.get_running_loop().create_future()
        task = asyncio.create_task(outcome(deadlines, work))
        await asyncio.sleep(0)

        async def at_once() -> None:
            """Both timers fire before anybody has had a turn."""

        clock.settle = at_once
        clock.call_later(60, task.cancel)
        await clock.advance(60)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_one_within_another_ends_alone() -> None:
    async def main() -> None:
        clock = VirtualClock()
        short, long = Deadlines(clock, 10), Deadlines(clock, 60)

        async def inner() -> str:
            return await outcome(short, asyncio.get_running_loop().create_future())

        task = asyncio.create_task(long.run(inner()))
        await clock.advance(11)
        assert await task == "late"
        assert task.cancelling() == 0

    asyncio.run(main())


def test_no_timer_while_nothing_is_under_way() -> None:
    async def main() -> None:
        clock = VirtualClock()
        deadlines, set_ = Deadlines(clock, 60), list[float]()
        call_later = clock.call_later

        def noted(seconds: float, callback: object) -> object:
            set_.append(seconds)
            return call_later(seconds, callback)  # type: ignore[arg-type]

        clock.call_later = noted  # type: ignore[method-assign, assignment]
        done = asyncio.get_running_loop().create_future()
        done.set_result("done")
        for _ in range(100):
            assert await outcome(deadlines, done) == "done"
        await clock.advance(3600)
        assert set_ == [60], "one, by the first, and none after it"

    asyncio.run(main())
