"""One priority level at work: who has its seats, who waits for them, and who is turned away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from longboat.aio.clock import Clock
from longboat.apiserver.fairness.demand import Demand
from longboat.apiserver.fairness.figures import Record
from longboat.apiserver.fairness.queues import Queues, Waiting
from longboat.apiserver.fairness.shares import Limits
from longboat.machinery.objects import Object

PATIENCE = 15.0  # seconds in a queue: a quarter of what a request may take (apiserver, defaultRequestWaitLimit)
WIDEST = 0.15  # of the nominal seats, for one request (flowcontrol, priorityLevelMaxSeatsPercent)
FULL, NO_SEAT, LATE, GONE = "queue-full", "concurrency-limit", "time-out", "cancelled"


class Rejected(Exception):
    """The level has no seat for a request, and no place to wait for one. The text says why."""


class Place:
    """A request that has its seats. `leave` gives them back."""

    __slots__ = ("_began", "_level", "_record", "_seats", "_waited")

    def __init__(self, level: Level, record: Record, seats: int, began: float, waited: Waiting | None) -> None:
        self._level, self._record, self._seats = level, record, seats
        self._began, self._waited = began, waited

    def leave(self, *, watches: bool = False) -> None:
        """`watches`: it is a watch, and has begun."""
        self._level.leave(self._record, self._seats, self._began, self._waited, watches=watches)


class Level:
    """`limit`: seats it has now; None for the exempt level, where nobody waits. `limits`: as configured.

    Who comes while there is room and nobody waits is seated at once and owes nothing; the queues are for the others.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self.name, self.uid = name, ""
        self.limit: int | None = None
        self.limits = Limits(0, 0, 0)
        self.target, self.widest = 0.0, 0
        self.waiting = self.executing = self.seats_in_use = 0
        self.demand = Demand(clock.monotonic())
        self.queues: Queues | None = None
        self._clock = clock

    def configure(self, uid: str, spec: Object, limits: Limits) -> None:
        """Take over a PriorityLevelConfiguration; those that wait keep their places."""
        self.uid = uid
        if spec.get("type") == "Exempt":
            return
        if self.limit is None or limits != self.limits:
            self.limit = limits.nominal - (limits.nominal - limits.lower) // 2
        self.limits, self.widest = limits, 1
        response = (spec.get("limited") or {}).get("limitResponse") or {}
        if response.get("type") != "Queue":
            self.queues = self.queues if self.waiting else None
            return
        wish = response.get("queuing") or {}
        shape = wish.get("queues") or 1, wish.get("handSize") or 1, wish.get("queueLengthLimit") or 1
        self.widest = max(1, min(-int(-limits.nominal * WIDEST // 1), limits.nominal // shape[1]))
        if self.queues is None:
            self.queues = Queues(*shape)
        else:
            self.queues.count, self.queues.hand, self.queues.longest = shape

    def enter(self, record: Record, flow: str, seats: int) -> Place | Waiting:
        """Seated at once, or in a queue: then `wait` says when it goes on. Raises Rejected."""
        now = self._clock.monotonic()
        if self.limit is None:
            return self._seated(record, seats, now, None)
        if not self.waiting and self._has_room(seats):
            self.demand.change(seats, now)
            return self._seated(record, seats, now, None)
        if self.queues is None:
            raise self._rejected(record, NO_SEAT)
        request = Waiting(record, flow, seats, now, asyncio.get_running_loop().create_future())
        if not self.queues.add(request):
            raise self._rejected(record, FULL)
        self.demand.change(seats, now)
        self.waiting += 1
        assert request.queue is not None
        record.waiting += 1
        record.lengths.observe(len(request.queue.waiting))
        self.dispatch()
        return request

    async def wait(self, request: Waiting) -> Place:
        """Raises Rejected when it has waited too long."""
        try:
            async with self._clock.timeout(PATIENCE):
                await request.turn
        except TimeoutError:
            if not _went(request):
                self._gave_up(request)
                raise self._rejected(request.record, LATE) from None
        except asyncio.CancelledError:
            if _went(request):
                self.leave(request.record, request.seats, self._clock.monotonic(), request)
            else:
                self._gave_up(request)
                request.record.rejected[GONE] += 1
            raise
        now = self._clock.monotonic()
        request.record.waited.observe(now - request.arrived)
        return Place(self, request.record, request.seats, now, request)

    def leave(self, record: Record, seats: int, began: float, waited: Waiting | None, *, watches: bool = False) -> None:
        now = self._clock.monotonic()
        self.executing -= 1
        self.seats_in_use -= seats
        record.done(seats, now - began, watches=watches)
        if self.limit is None:
            return
        self.demand.change(-seats, now)
        if waited is not None and self.queues is not None:
            self.queues.done(waited, now - began)
        if self.waiting:
            self.dispatch()

    def dispatch(self) -> None:
        """Let go those for whom there is room, one after the other."""
        queues = self.queues
        while self.waiting and queues is not None and (request := queues.first()) is not None:
            if request.turn.done():
                self._gave_up(request)  # its client has gone, and its task has not noticed yet
                continue
            if not self._has_room(request.seats):
                request.record.crowded += 1
                return
            queues.go(request)
            self.waiting -= 1
            request.record.waiting -= 1
            self._seated(request.record, request.seats, 0.0, request)
            request.turn.set_result(None)

    def requests(self) -> Iterator[tuple[int, int, Waiting]]:
        """Those that wait: queue, place in it, request."""
        for index, queue in sorted(self.queues.active.items()) if self.queues is not None else ():
            for place, request in enumerate(queue.waiting):
                yield index, place, request

    def _has_room(self, seats: int) -> bool:
        """One that takes more seats than there are has room when nobody else is at work."""
        assert self.limit is not None
        return self.seats_in_use + seats <= self.limit or not self.seats_in_use

    def _seated(self, record: Record, seats: int, now: float, waited: Waiting | None) -> Place:
        self.executing += 1
        self.seats_in_use += seats
        record.begin(seats)
        return Place(self, record, seats, now, waited)

    def _gave_up(self, request: Waiting) -> None:
        """Once, whoever sees it first."""
        if request.queue is None or self.queues is None:
            return
        now = self._clock.monotonic()
        self.queues.leave(request)
        self.waiting -= 1
        self.demand.change(-request.seats, now)
        request.record.waiting -= 1
        request.record.turned_away.observe(now - request.arrived)

    def _rejected(self, record: Record, why: str) -> Rejected:
        record.rejected[why] += 1
        return Rejected(why)


def _went(request: Waiting) -> bool:
    return request.turn.done() and not request.turn.cancelled()
