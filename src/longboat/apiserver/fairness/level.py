"""One priority level at work: who has its seats, who waits for them, and who is turned away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TypeAlias

from longboat.aio.clock import Clock
from longboat.apiserver.fairness.demand import Demand
from longboat.apiserver.fairness.figures import Record
from longboat.apiserver.fairness.queues import Queues, Waiting
from longboat.apiserver.fairness.shares import Limits
from longboat.machinery.objects import Object

PATIENCE = 15.0  # seconds in a queue: a quarter of what a request may take (apiserver, defaultRequestWaitLimit)
WIDEST = 0.15  # of the nominal seats, for one request (flowcontrol, priorityLevelMaxSeatsPercent)
FULL, NO_SEAT, LATE, GONE = "queue-full", "concurrency-limit", "time-out", "cancelled"


Entered: TypeAlias = float | Waiting
"""How a request got in: at once, at that monotonic time, or as one that waited."""


class Rejected(Exception):
    """The level has no seat for a request, and no place to wait for one. The text says why."""


class Level:
    """`limit`: seats it has now; None for the exempt level, which nobody enters. `limits`: as configured.

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
        self._clock, self._now = clock, clock.monotonic

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

    def enter(self, record: Record, flow: str, seats: int) -> Entered:
        """Seated at once, since when; or in a queue, and then `wait` says when it goes on. Raises Rejected.

        What is returned is for `leave`. (Every request comes by here: nothing is made for one that is seated.)
        """
        now = self._now()
        if not self.waiting and self._has_room(seats):
            self.demand.change(seats, now)
            self._seat(record, seats)
            return now
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

    async def wait(self, request: Waiting) -> None:
        """Returns when it is seated. Raises Rejected when it has waited too long."""
        try:
            async with self._clock.timeout(PATIENCE):
                await request.turn
        except TimeoutError:
            if not _went(request):
                self._gave_up(request)
                raise self._rejected(request.record, LATE) from None
        except asyncio.CancelledError:
            if _went(request):
                self.leave(request.record, request.seats, request)
            else:
                self._gave_up(request)
                request.record.rejected[GONE] += 1
            raise
        request.record.waited.observe(request.began - request.arrived)

    def leave(self, record: Record, seats: int, entered: Entered, watches: bool = False) -> None:
        """Give the seats back. `watches`: it is a watch, and has begun."""
        now = self._now()
        began = entered.began if isinstance(entered, Waiting) else entered
        record.done(seats, now - began, watches)
        self.executing -= 1
        self.seats_in_use -= seats
        self.demand.change(-seats, now)
        if isinstance(entered, Waiting) and self.queues is not None:
            self.queues.done(entered, now - began)
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
            request.began = self._now()
            self._seat(request.record, request.seats)
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

    def _seat(self, record: Record, seats: int) -> None:
        self.executing += 1
        self.seats_in_use += seats
        record.begin(seats)

    def _gave_up(self, request: Waiting) -> None:
        """Once, whoever sees it first."""
        if request.queue is None or self.queues is None:
            return
        now = self._now()
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
