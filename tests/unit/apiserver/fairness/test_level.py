"""A priority level: seats, places to wait, and what becomes of those who find neither."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from longboat.aio.clock import VirtualClock
from longboat.apiserver.fairness.figures import Record
from longboat.apiserver.fairness.level import PATIENCE, Entered, Level, Rejected
from longboat.apiserver.fairness.queues import Waiting
from longboat.apiserver.fairness.shares import Limits
from longboat.machinery.objects import Object

Scene = Callable[["Stage"], Awaitable[None]]


class Stage:
    def __init__(self, seats: int, **queuing: int) -> None:
        self.clock, self.record = VirtualClock(), Record("level", "schema")
        self.level = Level("level", self.clock)
        self.level.configure("uid", spec(**queuing), Limits(seats, seats, seats))

    def enter(self, flow: str = "a", seats: int = 1) -> Entered:
        return self.level.enter(self.record, flow, seats)

    def seated(self, flow: str = "a", seats: int = 1) -> Place:
        found = self.enter(flow, seats)
        assert isinstance(found, float)
        return Place(self, seats, found)

    def waits(self, flow: str = "a", seats: int = 1) -> asyncio.Task[Place]:
        found = self.enter(flow, seats)
        assert isinstance(found, Waiting)

        async def wait() -> Place:
            await self.level.wait(found)
            return Place(self, seats, found)

        return asyncio.create_task(wait())


class Place:
    """Seats that somebody has."""

    def __init__(self, stage: Stage, seats: int, entered: Entered) -> None:
        self._stage, self._seats, self._entered = stage, seats, entered

    def leave(self) -> None:
        self._stage.level.leave(self._stage.record, self._seats, self._entered)


async def through(waiting: asyncio.Task[Place]) -> None:
    (await waiting).leave()


def spec(**queuing: int) -> Object:
    response: Object = {"type": "Reject"}
    if queuing:
        response = {"type": "Queue", "queuing": queuing}
    return {"type": "Limited", "limited": {"limitResponse": response}}


def play(scene: Scene, seats: int = 1, **queuing: int) -> None:
    async def main() -> None:
        await scene(Stage(seats, **queuing))

    asyncio.run(main())


def test_who_finds_a_seat_has_it_and_who_does_not_waits() -> None:
    async def scene(stage: Stage) -> None:
        first, second = stage.seated(), stage.seated()
        third = stage.waits()
        await asyncio.sleep(0)
        assert not third.done() and stage.record.waiting == 1
        second.leave()
        (await third).leave()
        first.leave()
        assert (stage.level.executing, stage.level.seats_in_use, stage.level.waiting) == (0, 0, 0)
        assert stage.record.dispatched == 3 and stage.record.executing == 0

    play(scene, seats=2, queues=8, handSize=2, queueLengthLimit=5)


def test_without_queues_who_finds_no_seat_is_turned_away() -> None:
    async def scene(stage: Stage) -> None:
        place = stage.seated()
        with pytest.raises(Rejected, match="concurrency-limit"):
            stage.enter()
        place.leave()
        stage.seated().leave()
        assert stage.record.rejected == {"concurrency-limit": 1}

    play(scene)


def test_who_finds_his_queues_full_is_turned_away() -> None:
    async def scene(stage: Stage) -> None:
        place = stage.seated()
        waiting = [stage.waits() for _ in range(6)]
        with pytest.raises(Rejected, match="queue-full"):
            stage.enter()
        place.leave()
        await asyncio.gather(*map(through, waiting))

    play(scene, queues=8, handSize=2, queueLengthLimit=3)


def test_nobody_waits_longer_than_a_quarter_of_a_minute() -> None:
    async def scene(stage: Stage) -> None:
        place = stage.seated()
        late = stage.waits()
        await stage.clock.advance(PATIENCE - 1)
        assert not late.done()
        await stage.clock.advance(1)
        with pytest.raises(Rejected, match="time-out"):
            await late
        place.leave()
        stage.seated().leave()
        assert stage.level.waiting == 0

    play(scene, queues=8, handSize=2, queueLengthLimit=3)


def test_who_goes_away_gives_up_the_place_or_the_seat() -> None:
    async def scene(stage: Stage) -> None:
        place = stage.seated()
        waiting, seated = stage.waits("a"), stage.waits("b")
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert stage.record.rejected == {"cancelled": 1}
        place.leave()  # `seated` has its turn, and goes before it notices
        seated.cancel()
        await asyncio.gather(seated, return_exceptions=True)
        assert (stage.level.executing, stage.level.waiting) == (0, 0)
        stage.seated().leave()

    play(scene, queues=8, handSize=2, queueLengthLimit=3)


def test_a_seat_that_comes_free_passes_over_those_who_have_just_gone() -> None:
    async def scene(stage: Stage) -> None:
        place = stage.seated()
        waiting = [stage.waits(f"flow-{n}") for n in range(4)]
        await asyncio.sleep(0)
        for each in waiting[:3]:
            each.cancel()
        place.leave()  # before their tasks have heard of it
        (await waiting[3]).leave()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (stage.level.executing, stage.level.waiting, stage.record.waiting) == (0, 0, 0)
        assert stage.record.rejected == {"cancelled": 3}

    play(scene, queues=8, handSize=2, queueLengthLimit=3)


def test_one_wider_than_the_level_has_its_turn_alone() -> None:
    async def scene(stage: Stage) -> None:
        narrow = stage.seated()
        wide = stage.waits("w", seats=9)
        narrow.leave()
        place = await wide
        behind = stage.waits()
        await asyncio.sleep(0)
        assert not behind.done()
        place.leave()
        (await behind).leave()

    play(scene, seats=3, queues=8, handSize=2, queueLengthLimit=3)


def test_those_who_wait_stay_when_the_level_becomes_another() -> None:
    async def scene(stage: Stage) -> None:
        place = stage.seated()
        waiting = [stage.waits(f"flow-{n}") for n in range(3)]
        stage.level.configure("uid", spec(queues=1, handSize=1, queueLengthLimit=1), Limits(2, 2, 2))
        stage.level.dispatch()
        await asyncio.sleep(0)
        assert stage.level.executing == 2
        place.leave()
        await asyncio.gather(*map(through, waiting))

    play(scene, queues=8, handSize=2, queueLengthLimit=3)
