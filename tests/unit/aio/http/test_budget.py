"""What many hold together: those that have stalled make room, those that go on do not."""

from __future__ import annotations

import asyncio

from longboat.aio.clock import VirtualClock
from longboat.aio.http.budget import PATIENCE, Budget


class Client:
    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def clients(count: int) -> list[Client]:
    return [Client() for _ in range(count)]


def test_the_stalled_make_room() -> None:
    async def main() -> None:
        clock = VirtualClock()
        budget = Budget(100, clock)
        slow, quick, late = clients(3)
        budget.hold(slow, 50)
        budget.hold(quick, 50)
        await clock.advance(PATIENCE)
        budget.hold(quick, 50)
        budget.hold(late, 50)
        assert [each.aborted for each in (slow, quick, late)] == [True, False, False]
        assert budget.total == 100

    asyncio.run(main())


def test_who_goes_on_is_left_alone_up_to_twice_as_much() -> None:
    async def main() -> None:
        clock = VirtualClock()
        budget = Budget(100, clock)
        burst = clients(5)
        for client in burst[:4]:
            budget.hold(client, 50)
        assert not any(client.aborted for client in burst)
        budget.hold(burst[4], 50)
        assert [client.aborted for client in burst] == [True, False, False, False, False]
        await clock.advance(PATIENCE)
        budget.settle()
        assert [client.aborted for client in burst] == [True, True, True, False, False]
        for client in burst[3:]:
            budget.hold(client, 0)
        assert budget.total == 0

    asyncio.run(main())


def test_a_single_one_may_be_as_large_as_it_has_to_be() -> None:
    async def main() -> None:
        clock = VirtualClock()
        budget = Budget(100, clock)
        (alone,) = clients(1)
        budget.hold(alone, 5000)
        await clock.advance(10 * PATIENCE)
        budget.settle()
        assert not alone.aborted

    asyncio.run(main())
