"""Work that would hold the loop, done in a thread beside it: who waits for it takes turns, and the loop runs on.

Python runs one thread at a time, and hands over when somebody has asked for `threads.HAND_OVER` seconds: with the five
milliseconds it begins with, every pass of the loop would wait that long beside a busy thread. Measured: a request that
takes 0.06 ms alone takes 5.2 ms then, and 0.4 ms with this.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from longboat.aio.clock import Clock
from longboat.aio.threads import handing_over, to_the_end
from longboat.aio.usage import Usage

P = ParamSpec("P")
T = TypeVar("T")

PLACES = 2  # whose work may be in memory at once: one at work, another waiting for the disk


class Bench:
    """`PLACES` at once may have work done, of these one per name; the thread does one piece at a time.

    Whoever has used least lately comes next.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seated: set[str] = set()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._used: dict[str, Usage] = {}
        self._thread = asyncio.Lock()

    async def take(self, usage: Usage) -> None:
        """Return once there is a place for this name. `leave` gives it back."""
        who = usage.name
        if len(self._seated) < PLACES and who not in self._seated and not self._waiting:
            self._seated.add(who)
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(place)
        self._used[who] = usage
        self._seat()  # those that wait may all have a place already
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave(usage)  # it had just been given
            else:
                self._forget(who, place)
            raise

    def leave(self, usage: Usage) -> None:
        self._seated.discard(usage.name)
        self._seat()

    def _seat(self) -> None:
        """Give free places to who has used least of those that wait and have none."""
        while len(self._seated) < PLACES:
            now = self._clock.monotonic()
            names = [name for name in self._waiting if name not in self._seated]
            if not names:
                return
            who = min(names, key=lambda name: self._used[name].lately(now))
            place = self._waiting[who][0]
            self._forget(who, place)
            if not place.done():
                self._seated.add(who)
                place.set_result(None)

    def _forget(self, who: str, place: asyncio.Future[None]) -> None:
        """It waits no more. One that is given up may have been passed over already."""
        places = self._waiting.get(who, ())
        if place in places:
            self._waiting[who].remove(place)
            if not places:
                del self._waiting[who], self._used[who]

    async def run(self, usage: Usage, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The work's result, made in the thread. Cancelled, it ends only with the work: what is abandoned counts."""
        async with self._thread:
            start = self._clock.monotonic()
            try:
                with handing_over():
                    return await to_the_end(work, *args, **kwargs)
            finally:
                usage.add(self._clock.monotonic() - start, self._clock.monotonic())


class Seat:
    """One request's place. Until it is taken, `run` works where it is called: most work is too little to move."""

    __slots__ = ("_bench", "_taken", "_usage")

    def __init__(self, bench: Bench | None, usage: Usage) -> None:
        self._bench = bench
        self._usage = usage
        self._taken = False

    @property
    def taken(self) -> bool:
        return self._taken

    async def take(self) -> None:
        """Wait for a place, and keep it until `leave`. From now on `run` works beside the loop."""
        if self._bench is not None and not self._taken:
            await self._bench.take(self._usage)
            self._taken = True

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._taken and self._bench is not None:
            return await self._bench.run(self._usage, work, *args, **kwargs)
        return work(*args, **kwargs)

    async def beside(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `run`, beside the loop in any case: for what turns out to take long, and needs no memory of its own."""
        if self._bench is None:
            return work(*args, **kwargs)
        return await self._bench.run(self._usage, work, *args, **kwargs)

    def leave(self) -> None:
        if self._taken and self._bench is not None:
            self._taken = False
            self._bench.leave(self._usage)


HERE = Seat(None, Usage(""))  # works where it is called, always
