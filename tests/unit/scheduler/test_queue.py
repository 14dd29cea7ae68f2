"""The queue: order, backoff, and no change lost while a pod is being tried."""

from __future__ import annotations

import asyncio

from longboat.aio.clock import VirtualClock
from longboat.scheduler.plugin import Change
from longboat.scheduler.queue import Queue, backoff
from unit.scheduler.build import pod


def test_priority_first_then_age() -> None:
    async def main() -> None:
        queue = Queue(VirtualClock())
        for name, priority in (("old", 0), ("young", 0), ("vip", 10)):
            queue.put(pod(name, priority=priority))
        assert [(await queue.next()).pod.metadata.name for _ in range(3)] == ["vip", "old", "young"]

    asyncio.run(main())


def test_a_refused_pod_waits_for_a_change_that_helps() -> None:
    async def main() -> None:
        clock = VirtualClock()
        queue = Queue(clock)
        queue.put(pod("p"))
        info = await queue.next()
        queue.failed(info.uid, Change.POD_GONE)
        queue.changed(Change.NODE_TAINTS)
        await clock.advance(60)
        assert queue.ready == 0
        queue.changed(Change.POD_GONE)
        assert queue.ready == 1

    asyncio.run(main())


def test_it_sits_out_its_backoff_even_when_helped() -> None:
    async def main() -> None:
        clock = VirtualClock()
        queue = Queue(clock)
        queue.put(pod("p"))
        queue.failed((await queue.next()).uid, Change.POD_GONE)
        queue.changed(Change.POD_GONE)
        await clock.advance(0.9)
        assert queue.ready == 0
        await clock.advance(0.2)
        assert queue.ready == 1

    asyncio.run(main())


def test_a_change_during_the_attempt_is_not_lost() -> None:
    async def main() -> None:
        clock = VirtualClock()
        queue = Queue(clock)
        queue.put(pod("p"))
        info = await queue.next()
        queue.changed(Change.NODE_ADDED)
        queue.failed(info.uid, Change.NODE_ADDED)
        await clock.advance(1)
        assert queue.ready == 1

    asyncio.run(main())


def test_without_any_change_it_is_tried_again_after_five_minutes() -> None:
    async def main() -> None:
        clock = VirtualClock()
        queue = Queue(clock)
        queue.put(pod("p"))
        queue.failed((await queue.next()).uid, Change.POD_GONE)
        await clock.advance(299)
        assert queue.ready == 0
        await clock.advance(2)
        assert queue.ready == 1

    asyncio.run(main())


def test_a_removed_pod_never_comes_up() -> None:
    async def main() -> None:
        clock = VirtualClock()
        queue = Queue(clock)
        gone, stays = pod("gone"), pod("stays")
        queue.put(gone)
        queue.put(stays)
        queue.remove(gone.uid)
        assert (await queue.next()).pod.metadata.name == "stays"
        queue.remove(stays.uid)
        queue.failed(stays.uid, Change(0))
        await clock.advance(600)
        assert queue.ready == 0 and len(queue) == 0

    asyncio.run(main())


def test_backoff_doubles_to_a_limit() -> None:
    assert [backoff(n) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]
