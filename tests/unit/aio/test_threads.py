"""Blocking work beside the loop: done to its end, or left to itself."""

from __future__ import annotations

import asyncio
import threading

import pytest

from longboat.aio.threads import aside, to_the_end


def test_what_is_done_aside_answers_or_fails_like_any_other() -> None:
    async def main() -> None:
        assert await aside(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await aside(divmod, 7, 0)

    asyncio.run(main())


def test_however_many_hang_aside_nothing_else_waits_for_a_thread() -> None:
    gate = threading.Event()

    async def main() -> None:
        hanging = [asyncio.ensure_future(aside(gate.wait)) for _ in range(100)]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(int, "7") == 7
        for work in hanging:
            work.cancel()
        assert all(
            isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*hanging, return_exceptions=True)
        )

    asyncio.run(main())  # and the loop closes
    assert sum(thread.name == "wait" for thread in threading.enumerate()) == 100
    gate.set()


def test_what_must_not_be_left_half_done_is_waited_for() -> None:
    gate, done = threading.Event(), list[bool]()

    async def main() -> None:
        work = asyncio.ensure_future(to_the_end(lambda: done.append(gate.wait(10))))
        await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.sleep(0.01)
        assert not work.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert done == [True]

    asyncio.run(main())
