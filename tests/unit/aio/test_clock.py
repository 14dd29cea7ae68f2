"""The virtual clock keeps the promises of the real one."""

from __future__ import annotations

import asyncio

import pytest

from longboat.aio.clock import Clock, SystemClock, VirtualClock


def test_timers_fire_in_order_each_at_its_own_time() -> None:
    async def main() -> None:
        clock = VirtualClock()
        seen: list[tuple[str, float]] = []
        for delay, name in ((3.0, "c"), (1.0, "a"), (2.0, "b")):
            clock.call_later(delay, lambda name=name: seen.append((name, clock.monotonic())))
        await clock.advance(2.5)
        assert seen == [("a", 1.0), ("b", 2.0)]
        assert clock.monotonic() == 2.5

    asyncio.run(main())


def test_what_a_timer_starts_happens_within_the_same_advance() -> None:
    async def main() -> None:
        clock = VirtualClock()
        woken: list[float] = []

        async def sleeper() -> None:
            for _ in range(3):
                await clock.sleep(10)
                woken.append(clock.monotonic())

        task = asyncio.create_task(sleeper())
        await clock.advance(30)
        assert woken == [10, 20, 30]
        await task

    asyncio.run(main())


def test_a_cancelled_timer_is_silent() -> None:
    async def main() -> None:
        clock = VirtualClock()
        clock.call_later(1, lambda: pytest.fail("fired")).cancel()
        await clock.advance(5)

    asyncio.run(main())


@pytest.mark.parametrize("make", [SystemClock, VirtualClock])
def test_timeout_interrupts_only_its_own_body(make: type[Clock]) -> None:
    async def main() -> None:
        clock = make()

        async def body() -> str:
            try:
                async with clock.timeout(0.01):
                    await asyncio.Event().wait()
            except TimeoutError:
                return "timed out"
            return "finished"

        task = asyncio.create_task(body())
        if isinstance(clock, VirtualClock):
            await clock.advance(1)
        assert await task == "timed out"

    asyncio.run(main())


@pytest.mark.parametrize("make", [SystemClock, VirtualClock])
def test_a_cancellation_from_outside_is_not_a_timeout(make: type[Clock]) -> None:
    async def main() -> None:
        clock = make()

        async def body() -> None:
            async with clock.timeout(60):
                await asyncio.Event().wait()

        task = asyncio.create_task(body())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
