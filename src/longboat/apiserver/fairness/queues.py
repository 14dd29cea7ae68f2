"""The queues of a priority level, and who is next. No I/O.

A flow is dealt a hand of the queues by its hash, and each of its requests waits in the shortest queue of the hand: two
flows have all queues in common hardly ever, so a flow that fills its own leaves another a way past (shuffle sharding).
Between queues it is fair by start-time fair queueing (Goyal, Vin, Cheng 1996): a queue has a clock of its own, which
moves on by the work of each request it is let go, and the queue whose clock is behind the others' is next. One that was
empty starts at the time of those at work, so nobody saves up by asking for nothing. What a request's work will be is
guessed when it goes and put right when it is done.
"""

from __future__ import annotations

import asyncio
from collections import deque
from hashlib import blake2b

from longboat.apiserver.fairness.figures import Record

MANY = 64  # queues in use that nobody minds
GUESS = 0.003  # seconds that a request is taken to last until it has (flowcontrol, estimatedServiceDuration)


class Waiting:
    """A request in a queue. `turn` is set when it may go on."""

    __slots__ = ("arrived", "began", "flow", "queue", "record", "seats", "turn")

    def __init__(self, record: Record, flow: str, seats: int, arrived: float, turn: asyncio.Future[None]) -> None:
        self.record, self.flow, self.seats, self.arrived, self.turn = record, flow, seats, arrived, turn
        self.queue: Queue | None = None
        self.began = 0.0  # when it was let go


class Queue:
    """`clock`: seat-seconds of work that it has been let go. `seats`: of those that wait in it."""

    __slots__ = ("clock", "executing", "index", "seats", "seats_in_use", "waiting")

    def __init__(self, index: int, clock: float) -> None:
        self.index, self.clock = index, clock
        self.waiting: deque[Waiting] = deque()
        self.seats = self.executing = self.seats_in_use = 0


class Queues:
    """Those that are in use; the others are nothing but a number. `hand` of `count` are a flow's."""

    def __init__(self, count: int, hand: int, longest: int) -> None:
        self.count, self.hand, self.longest = count, hand, longest
        self.active: dict[int, Queue] = {}
        self._time = 0.0  # of the request that was let go last
        self._here = 0  # requests that wait, or have gone and are not through

    def dealt(self, schema: str, flow: str) -> list[int]:
        """The numbers of a flow's queues, all different."""
        dice = int.from_bytes(blake2b(f"{len(schema)} {schema} {flow}".encode(), digest_size=16).digest())
        hand: list[int] = []
        for card in range(min(self.hand, self.count)):
            dice, pick = divmod(dice, self.count - card)
            for taken in sorted(hand):  # the pick counts those only that are left
                pick += pick >= taken
            hand.append(pick)
        return hand

    def add(self, request: Waiting) -> bool:
        """Have it wait in its flow's shortest queue; False where that is full."""
        best = min(self.dealt(request.record.schema, request.flow), key=self._length)
        queue = self.active.get(best)
        if queue is None:
            queue = self.active[best] = Queue(best, self._time)
        elif not queue.waiting:
            queue.clock = max(queue.clock, self._time)
        if len(queue.waiting) >= self.longest:
            return False
        queue.waiting.append(request)
        queue.seats += request.seats
        request.queue = queue
        self._here += 1
        return True

    def _length(self, index: int) -> tuple[int, int]:
        """Seats that are waited for, then those in use."""
        queue = self.active.get(index)
        return (queue.seats, queue.seats_in_use) if queue is not None else (0, 0)

    def first(self) -> Waiting | None:
        """Who is next; it stays where it is."""
        found = min((queue for queue in self.active.values() if queue.waiting), key=_due, default=None)
        return found.waiting[0] if found is not None else None

    def go(self, request: Waiting) -> None:
        """Let it go, which is `first`."""
        queue = self._left(request)
        self._time = max(self._time, queue.clock)
        queue.clock += GUESS * request.seats
        queue.executing += 1
        queue.seats_in_use += request.seats

    def leave(self, request: Waiting) -> None:
        """It waits no longer, and has not gone."""
        self._left(request)
        request.queue = None
        self._tidy()

    def done(self, request: Waiting, seconds: float) -> None:
        """It is through, after so many seconds of work."""
        queue = request.queue
        assert queue is not None
        queue.clock += (seconds - GUESS) * request.seats
        queue.executing -= 1
        queue.seats_in_use -= request.seats
        self._tidy()

    def _left(self, request: Waiting) -> Queue:
        queue = request.queue
        assert queue is not None
        if queue.waiting[0] is request:
            queue.waiting.popleft()
        else:
            queue.waiting.remove(request)
        queue.seats -= request.seats
        return queue

    def _tidy(self) -> None:
        """One request less. Idle queues are forgotten: when all are idle, or when there are many, and time has come to
        where they are."""
        self._here -= 1
        if not self._here:
            self.active.clear()
        elif len(self.active) > MANY + 2 * self._here:
            for queue in [each for each in self.active.values() if not each.waiting and not each.executing]:
                if queue.clock <= self._time:
                    del self.active[queue.index]


def _due(queue: Queue) -> float:
    return queue.clock + GUESS * queue.waiting[0].seats
