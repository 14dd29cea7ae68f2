"""The work queue: each key once, by one worker at a time, and none forgotten."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.aio.clock import VirtualClock
from longboat.aio.workqueue import Closed, WorkQueue

KEYS = st.sampled_from("abc")
STEPS = st.lists(st.tuples(st.sampled_from(("add", "take", "done")), KEYS), max_size=60)


@given(STEPS)
def test_no_key_is_lost_doubled_or_shared(steps: list[tuple[str, str]]) -> None:
    async def main() -> None:
        queue: WorkQueue[str] = WorkQueue(VirtualClock())
        owed: set[str] = set()  # added since it was last taken
        held: set[str] = set()
        for step, key in steps:
            if step == "add":
                queue.add(key)
                owed.add(key)
            elif step == "take" and owed - held:
                taken = await asyncio.wait_for(queue.get(), 1)
                assert taken in owed and taken not in held
                owed.discard(taken)
                held.add(taken)
            elif step == "done" and key in held:
                held.discard(key)
                queue.done(key)
            assert len(queue) == len(owed - held)

    asyncio.run(main())


def test_retries_wait_longer_each_time_and_forget_resets() -> None:
    async def main() -> None:
        clock = VirtualClock()
        queue: WorkQueue[str] = WorkQueue(clock, first=1, longest=5)
        assert [queue.retry("k") for _ in range(4)] == [1, 2, 4, 5]
        queue.forget("k")
        assert queue.retry("k") == 1
        await clock.advance(1)
        assert await queue.get() == "k"

    asyncio.run(main())


def test_of_two_delays_the_earlier_counts() -> None:
    async def main() -> None:
        clock = VirtualClock()
        queue: WorkQueue[str] = WorkQueue(clock)
        queue.add_after("k", 10)
        queue.add_after("k", 3)
        queue.add_after("k", 20)
        await clock.advance(3)
        assert await queue.get() == "k"
        queue.done("k")
        await clock.advance(60)
        assert len(queue) == 0

    asyncio.run(main())


def test_a_closed_queue_gives_what_it_has_and_then_ends() -> None:
    async def main() -> None:
        queue: WorkQueue[str] = WorkQueue(VirtualClock())
        queue.add("k")
        queue.add_after("later", 5)
        queue.close()
        queue.add("late")
        assert await queue.get() == "k"
        with pytest.raises(Closed):
            await queue.get()

    asyncio.run(main())
