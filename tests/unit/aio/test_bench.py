"""Work beside the loop: who gets a place, and what becomes of one that is given up."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from longboat.aio.bench import HERE, PLACES, Bench, Seat
from longboat.aio.clock import SystemClock
from longboat.aio.threads import HAND_OVER
from longboat.aio.usage import Usage


def seats(bench: Bench, *names: str) -> list[Seat]:
    return [Seat(bench, Usage(name)) for name in names]


async def started(*seats: Seat) -> list[asyncio.Task[None]]:
    tasks = [asyncio.ensure_future(seat.take()) for seat in seats]
    await asyncio.sleep(0)
    return tasks


def test_work_is_done_where_it_is_called_until_a_place_is_taken() -> None:
    async def main() -> None:
        here = threading.get_ident()
        (seat,) = seats(Bench(SystemClock()), "jane")
        assert await seat.run(threading.get_ident) == here
        await seat.take()
        await seat.take()  # once is enough
        assert await seat.run(threading.get_ident) != here
        seat.leave()
        assert await seat.run(threading.get_ident) == here
        await HERE.take()
        assert await HERE.run(threading.get_ident) == here

    asyncio.run(main())


def test_one_place_a_name_and_two_in_all() -> None:
    async def main() -> None:
        bench = Bench(SystemClock())
        first, again, second, third = seats(bench, "jane", "jane", "joe", "jim")
        tasks = await started(first, again, second, third)
        assert [task.done() for task in tasks] == [True, False, True, False]
        assert sum(seat.taken for seat in (first, again, second, third)) == PLACES
        second.leave()
        await asyncio.sleep(0)
        assert third.taken and not again.taken  # jane has one
        first.leave()
        await asyncio.sleep(0)
        assert again.taken
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_who_has_used_least_comes_next() -> None:
    async def main() -> None:
        clock = SystemClock()
        bench = Bench(clock)
        one, two = seats(bench, "a", "b")
        much, little = Seat(bench, Usage("much")), Seat(bench, Usage("little"))
        much._usage.add(1.0, clock.monotonic())
        tasks = await started(one, two, much, little)
        one.leave()
        await asyncio.sleep(0)
        assert little.taken and not much.taken
        two.leave()
        await asyncio.gather(*tasks)
        assert much.taken

    asyncio.run(main())


def test_a_place_that_is_given_up_is_the_next_one_s() -> None:
    async def main() -> None:
        bench = Bench(SystemClock())
        one, two, gone, last = seats(bench, "a", "b", "c", "d")
        tasks = await started(one, two, gone, last)
        tasks[2].cancel()
        one.leave()
        with pytest.raises(asyncio.CancelledError):
            await tasks[2]
        await asyncio.sleep(0)
        assert last.taken
        tasks = await started(gone)
        two.leave()  # given, but not yet heard of
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        assert not bench._waiting and bench._seated == {"d"}

    asyncio.run(main())


def test_threads_hand_over_quickly_while_it_works_and_as_before_when_it_fails() -> None:
    async def main() -> None:
        before = sys.getswitchinterval()
        (seat,) = seats(Bench(SystemClock()), "jane")
        await seat.take()
        assert await seat.run(sys.getswitchinterval) == pytest.approx(HAND_OVER)
        assert sys.getswitchinterval() == before

        def fails() -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await seat.run(fails)
        assert sys.getswitchinterval() == before
        assert seat._usage.lately(SystemClock().monotonic()) >= 0.0

    asyncio.run(main())
