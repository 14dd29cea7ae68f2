"""One run for a burst of changes, another after a failure, a look now and then; nothing is missed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from longboat.aio.backoff import Backoff
from longboat.aio.clock import VirtualClock
from longboat.aio.reconciler import Reconciler

Told = list[tuple[float, str]]


def play(
    make: Callable[[VirtualClock], Reconciler],
    check: Callable[[Reconciler, VirtualClock, Told], Awaitable[None]],
    *,
    fails: int = 0,
    finds: bool = False,
) -> None:
    """`fails`: how many of the first runs do; `finds`: whether looks find something to do."""

    async def main() -> None:
        clock = VirtualClock()
        reconciler, told = make(clock), Told()

        async def sync() -> bool:
            told.append((clock.monotonic(), "sync"))
            return sum(what == "sync" for _, what in told) > fails

        async def look() -> bool:
            told.append((clock.monotonic(), "look"))
            return finds

        running = asyncio.create_task(reconciler.run(sync, look))
        await clock.advance(0)
        await check(reconciler, clock, told)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def test_a_burst_is_one_run() -> None:
    async def check(reconciler: Reconciler, clock: VirtualClock, told: Told) -> None:
        await clock.advance(1)
        for _ in range(3):
            reconciler.wake()
            await clock.advance(0.1)
        assert told == [(0, "look"), (0.5, "sync")] and reconciler.is_woken
        await clock.advance(100)
        assert told[2:] == [(1.5, "sync")] and not reconciler.is_woken, "and nobody looks who was not asked to"

    play(lambda clock: Reconciler(clock, coalesce=0.5), check)


def test_what_changes_during_a_run_is_not_missed() -> None:
    async def main() -> None:
        clock, runs = VirtualClock(), list[int]()
        reconciler = Reconciler(clock)

        async def sync() -> bool:
            runs.append(1)
            if len(runs) == 1:
                reconciler.wake()
            return True

        running = asyncio.create_task(reconciler.run(sync))
        await clock.advance(1)
        assert len(runs) == 2
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def test_a_failure_is_made_good_later_and_no_change_hurries_it() -> None:
    async def check(reconciler: Reconciler, clock: VirtualClock, told: Told) -> None:
        await clock.advance(0.5)
        reconciler.wake()
        await clock.advance(100)
        assert told == [(0, "look"), (0, "sync"), (1, "sync"), (2, "sync")]

    play(lambda clock: Reconciler(clock, retry=1.0), check, fails=2)


def test_failures_in_a_row_wait_ever_longer() -> None:
    async def check(reconciler: Reconciler, clock: VirtualClock, told: Told) -> None:
        await clock.advance(100)
        assert [at for at, what in told if what == "sync"] == [0, 1, 3, 7]
        reconciler.wake()
        await clock.advance(100)
        assert told[-1] == (100, "sync")

    play(lambda clock: Reconciler(clock, retry=Backoff(first=1.0, longest=30.0, jitter=0.0)), check, fails=3)


def test_looks_come_in_time_and_run_only_where_they_find_something() -> None:
    async def idle(reconciler: Reconciler, clock: VirtualClock, told: Told) -> None:
        await clock.advance(25)
        assert told == [(0, "look"), (0, "sync"), (10, "look"), (20, "look")]

    async def busy(reconciler: Reconciler, clock: VirtualClock, told: Told) -> None:
        for _ in range(25):
            reconciler.wake()
            await clock.advance(1)
        assert [at for at, what in told if what == "look"] == [0, 10, 20], "changes without end put no look off"

    async def finding(reconciler: Reconciler, clock: VirtualClock, told: Told) -> None:
        await clock.advance(10)
        assert told[2:] == [(10, "look"), (10, "sync")]

    play(lambda clock: Reconciler(clock, look=10), idle)
    play(lambda clock: Reconciler(clock, look=10), busy)
    play(lambda clock: Reconciler(clock, look=10), finding, finds=True)
