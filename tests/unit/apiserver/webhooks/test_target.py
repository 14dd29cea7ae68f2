"""What is kept of connections to a webhook."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from longboat.aio.clock import VirtualClock
from longboat.apiserver.admission.webhooks.target import IDLE, KEPT, Target

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
    target, clock = Target({}, 10, 100), VirtualClock()
    one, other, elsewhere = connection(), connection(), connection()
    for each, address in ((one, HERE), (other, HERE), (elsewhere, THERE)):
        target.keep(each, address, clock)
    assert [target.take(HERE), target.take(HERE), target.take(HERE)] == [other, one, None]
    assert target.take(THERE) is elsewhere
    target.close()


@running
async def test_one_whose_peer_has_gone_is_passed_over() -> None:
    target, clock = Target({}, 10, 100), VirtualClock()
    good, gone = connection(), connection()
    gone[0].feed_eof()
    target.keep(good, HERE, clock)
    target.keep(gone, HERE, clock)
    assert target.take(HERE) is good
    assert aborted(gone)
    target.close()


@running
async def test_they_are_few_and_end_when_nobody_uses_them() -> None:
    target, clock = Target({}, 10, 100), VirtualClock()
    every = [connection() for _ in range(KEPT + 2)]
    for each in every:
        target.keep(each, HERE, clock)
    assert [aborted(each) for each in every] == [True] * 2 + [False] * KEPT
    await clock.advance(IDLE - 1)
    late = connection()
    target.keep(late, THERE, clock)
    await clock.advance(1)
    assert all(aborted(each) for each in every)
    assert not aborted(late)
    await clock.advance(IDLE)
    assert aborted(late)
    assert target.idle == 0


@running
async def test_a_closed_one_keeps_nothing_any_more() -> None:
    target, clock = Target({}, 10, 100), VirtualClock()
    kept, late = connection(), connection()
    target.keep(kept, HERE, clock)
    target.close()
    target.keep(late, HERE, clock)
    assert aborted(kept)
    assert aborted(late)
