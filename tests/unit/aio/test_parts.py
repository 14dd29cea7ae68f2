"""Parts that fail, and what becomes of them and of the others."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

import pytest

from longboat.aio.clock import VirtualClock
from longboat.aio.parts import FIRST, LONGEST, STEADY, Ended, Parts, Run


class Part:
    """Does at each start what it is told to, then stays."""

    def __init__(self, clock: VirtualClock, *does: Callable[[], object]) -> None:
        self.clock, self.does = clock, list(does)
        self.starts: list[float] = []
        self.ends = 0

    async def run(self) -> None:
        self.starts.append(self.clock.monotonic())
        try:
            if self.does:
                self.does.pop(0)()
                return
            await asyncio.Event().wait()
        finally:
            self.ends += 1


def fail(error: Exception) -> Callable[[], object]:
    def raise_it() -> None:
        raise error

    return raise_it


async def held(clock: VirtualClock, told: list[tuple[str, str]], **runs: Run) -> Parts:
    parts = Parts("test", clock, lambda name, error: told.append((name, repr(error))))
    for name, run in runs.items():
        parts.start(name, run)
    await clock.advance(0)
    return parts


def test_one_that_fails_is_started_again_and_the_others_go_on() -> None:
    async def main() -> None:
        clock, told = VirtualClock(), list[tuple[str, str]]()
        bad, good = Part(clock, fail(ValueError("odd"))), Part(clock)
        parts = await held(clock, told, bad=bad.run, good=good.run)
        assert (len(bad.starts), told) == (1, [("bad", "ValueError('odd')")])
        await clock.advance(FIRST * 2)
        assert (len(bad.starts), len(good.starts)) == (2, 1)
        assert parts.restarts == {"bad": 1, "good": 0}
        await parts.close()
        assert (bad.ends, good.ends) == (2, 1)
        await clock.advance(LONGEST * 2)
        assert len(bad.starts) == 2

    asyncio.run(main())


def test_it_waits_ever_longer_and_starts_afresh_after_it_has_held() -> None:
    async def main() -> None:
        random.seed(1)
        clock, told = VirtualClock(), list[tuple[str, str]]()
        part = Part(clock, *[fail(OSError(number)) for number in range(10)])
        parts = await held(clock, told, part=part.run)
        await clock.advance(LONGEST * 20)
        gaps = [after - before for before, after in zip(part.starts, part.starts[1:], strict=False)]
        assert len(gaps) == 10
        for number, gap in enumerate(gaps):
            least = min(FIRST * 2**number, LONGEST)
            assert least <= gap <= least * 1.5
        await clock.advance(STEADY)
        assert parts.restarts["part"] == 10
        await parts.close()

    asyncio.run(main())


def test_one_that_has_held_is_started_again_soon() -> None:
    async def main() -> None:
        clock, told = VirtualClock(), list[tuple[str, str]]()
        starts = list[float]()

        async def steady() -> None:
            starts.append(clock.monotonic())
            await clock.sleep(STEADY + 1)
            raise ValueError

        parts = await held(clock, told, part=steady)
        await clock.advance(STEADY * 5.5)
        assert all(
            after - before <= STEADY + 1 + FIRST * 1.5 for before, after in zip(starts, starts[1:], strict=False)
        )
        assert len(starts) == 6
        await parts.close()

    asyncio.run(main())


def test_ends_that_are_no_errors_are_ends_all_the_same() -> None:
    async def main() -> None:
        clock, told = VirtualClock(), list[tuple[str, str]]()

        async def cancelled() -> None:
            waits = asyncio.ensure_future(asyncio.Event().wait())
            asyncio.get_running_loop().call_soon(waits.cancel)
            await waits

        part = Part(clock, lambda: None)
        parts = await held(clock, told, part=part.run, other=cancelled)
        await clock.advance(FIRST * 0.5)
        assert told == [("part", "None"), ("other", repr(Ended("it was cancelled")))]
        await parts.close()

    asyncio.run(main())


def test_the_same_failure_is_traced_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        clock, told = VirtualClock(), list[tuple[str, str]]()
        part = Part(clock, fail(ValueError("a")), fail(ValueError("a")), fail(ValueError("b")))
        with caplog.at_level(logging.ERROR):
            parts = await held(clock, told, part=part.run)
            await clock.advance(LONGEST)
        assert [bool(record.exc_info) for record in caplog.records] == [True, False, True]
        await parts.close()

    asyncio.run(main())


def test_parts_of_a_part_are_counted_with_it_and_end_with_their_group() -> None:
    async def main() -> None:
        clock, told = VirtualClock(), list[tuple[str, str]]()
        outer, inner = Part(clock), Part(clock, fail(ValueError("x")))
        parts = await held(clock, told, outer=outer.run)
        within = parts.within("deeper")
        within.start("inner", inner.run)
        await clock.advance(FIRST * 2)
        assert parts.restarts == {"outer": 0, "inner": 1} and told == [("inner", "ValueError('x')")]
        await within.close()
        assert (inner.ends, outer.ends) == (2, 0)
        await parts.close()

    asyncio.run(main())
