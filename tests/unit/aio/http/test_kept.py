"""What is kept of connections that may be used again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from longboat.aio.clock import VirtualClock
from longboat.aio.http.kept import IDLE, MOST, Kept

HERE, THERE = ("127.0.0.1", 1), ("127.0.0.1", 2)


class Transport:
    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


class Writer:
    def __init__(self) -> None:
        self.transport = Transport()

    def is_closing(self) -> bool:
        return self.transport.aborted


def running(scene: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(main())

    async def main() -> None:
        await scene()

    run.__name__ = scene.__name__  # type: ignore[attr-defined]
    return run


def connection() -> Any:
    return asyncio.StreamReader(), Writer()


def aborted(found: Any) -> bool:
    return bool(found[1].transport.aborted)


@running
async def test_what_is_taken_is_the_one_that_was_used_last_to_there() -> None:
    kept, clock = Kept(), VirtualClock()
    one, other, elsewhere = connection(), connection(), connection()
    for each, address in ((one, HERE), (other, HERE), (elsewhere, THERE)):
        kept.keep(each, address, clock)
    assert [kept.take(HERE), kept.take(HERE), kept.take(HERE)] == [other, one, None]
    assert kept.take(THERE) is elsewhere
    kept.close()


@running
async def test_one_whose_peer_has_gone_is_passed_over() -> None:
    kept, clock = Kept(), VirtualClock()
    good, gone = connection(), connection()
    gone[0].feed_eof()
    kept.keep(good, HERE, clock)
    kept.keep(gone, HERE, clock)
    assert kept.take(HERE) is good
    assert aborted(gone)
    kept.close()


@running
async def test_one_whose_peer_says_what_nobody_has_asked_for_is_passed_over() -> None:
    kept, clock = Kept(), VirtualClock()
    good, forward = connection(), connection()
    forward[0].feed_data(b"HTTP/1.1 200 OK\r\n")
    kept.keep(good, HERE, clock)
    kept.keep(forward, HERE, clock)
    assert kept.take(HERE) is good
    assert aborted(forward)
    good[0].feed_data(b"answer")  # it can be read from as if nobody had looked
    assert await good[0].read(10) == b"answer"
    kept.close()


@running
async def test_they_are_few_and_end_when_nobody_uses_them() -> None:
    kept, clock = Kept(), VirtualClock()
    every = [connection() for _ in range(MOST + 2)]
    for each in every:
        kept.keep(each, HERE, clock)
    assert [aborted(each) for each in every] == [True] * 2 + [False] * MOST
    await clock.advance(IDLE - 1)
    late = connection()
    kept.keep(late, THERE, clock)
    await clock.advance(1)
    assert all(aborted(each) for each in every)
    assert not aborted(late)
    await clock.advance(IDLE)
    assert aborted(late)
    assert len(kept) == 0


@running
async def test_a_closed_one_keeps_nothing_any_more() -> None:
    kept, clock = Kept(), VirtualClock()
    early, late = connection(), connection()
    kept.keep(early, HERE, clock)
    kept.close()
    kept.keep(late, HERE, clock)
    assert aborted(early)
    assert aborted(late)
