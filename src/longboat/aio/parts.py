"""Parts of something that lasts, each kept at work by itself: one that fails is started again, ever later."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks

log = logging.getLogger(__name__)
FIRST, LONGEST = 1.0, 60.0  # seconds between an end and the next start, doubling
STEADY = 60.0  # seconds after which a start counts as good

Run = Callable[[], Awaitable[None]]
"""Works until it is cancelled. Called anew for each start, it finds its way from whatever an earlier one has left."""
Close = Callable[[], Awaitable[None]]
"""What is left to do for a part once it has ended for good."""
Told = Callable[[str, Exception | None], None]
"""(part, what it failed with; None where it just ended)."""


class Ended(Exception):
    """A part, or something it waited for, was cancelled by nobody who may."""


async def nothing() -> None:
    """All that is to be done for most parts once they have ended."""


@dataclass(frozen=True)
class Part:
    name: str
    run: Run
    close: Close = nothing


class Parts:
    """`told` hears of each end; it must be quick. `restarts` counts them by part, those without any included."""

    def __init__(
        self, owner: str, clock: Clock, told: Told = lambda part, error: None, restarts: Counter[str] | None = None
    ) -> None:
        self._owner, self._clock, self._told = owner, clock, told
        self.restarts = Counter[str]() if restarts is None else restarts
        self._tasks = Tasks(owner)

    def within(self, owner: str) -> Parts:
        """The parts of a part: they end with it, and are told of and counted together with the others."""
        return Parts(owner, self._clock, self._told, self.restarts)

    def start(self, name: str, run: Run) -> None:
        """Keep a part at work, until `close`."""
        self.restarts.setdefault(name, 0)
        self._tasks.spawn(name, self._keep(name, run))

    async def close(self) -> None:
        """End all parts, and wait until each has ended."""
        await self._tasks.close()

    async def _keep(self, name: str, run: Run) -> None:
        backoff = Backoff(FIRST, LONGEST)
        before = ""
        while True:
            began = self._clock.monotonic()
            error = await self._once(run)
            if self._clock.monotonic() - began >= STEADY:
                backoff.reset()
                before = ""
            self.restarts[name] += 1
            wait, now = backoff.next(), repr(error)
            # What repeats is told again, but without where it happened.
            trace = error if now != before else None
            what = f"failed with {now}" if error is not None else "ended"
            log.error("%s: %s %s; starting it again in %.1f s", self._owner, name, what, wait, exc_info=trace)
            before = now
            self._told(name, error)
            await self._clock.sleep(wait)

    async def _once(self, run: Run) -> Exception | None:
        """What ended it. Passes on that somebody ends us."""
        task = asyncio.current_task()
        assert task is not None
        try:
            await run()
        except asyncio.CancelledError:
            if task.cancelling():
                raise
            return Ended("it was cancelled")
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this part alone: _keep tells of it
            return error
        return None
