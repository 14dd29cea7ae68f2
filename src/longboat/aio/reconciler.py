"""The loop of whatever is kept in step with something that changes (level-triggered: what is wanted is looked up anew).

kube-proxy has its BoundedFrequencyRunner for this: one run for a burst of changes, another after a failure, and a look
now and then whether somebody else has meddled.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock


async def _nothing() -> bool:
    return False


class Reconciler:
    """`coalesce`: seconds that one change waits for others that come with it, or a function that says so each time.
    `retry`: seconds after a run that failed, or how to wait ever longer. `look`: seconds between looks.
    """

    def __init__(
        self, clock: Clock, *, coalesce: float | Callable[[], float] = 0.0, retry: float | Backoff = 1.0,
        look: float = math.inf,
    ) -> None:  # fmt: skip
        self._clock, self._coalesce, self._look = clock, coalesce, look
        self._retry = retry if isinstance(retry, Backoff) else Backoff(first=retry, longest=retry, jitter=0.0)
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Something has changed, perhaps. Costs nothing where somebody has said so already."""
        self._changed.set()

    @property
    def is_woken(self) -> bool:
        """Whether something has changed since the last run began."""
        return self._changed.is_set()

    async def run(self, sync: Callable[[], Awaitable[bool]], look: Callable[[], Awaitable[bool]] = _nothing) -> None:
        """Until cancelled: `sync` at once, and whenever something has changed; False from it means again.

        `look` comes before the first `sync`, then whenever its time has come; True from it means `sync`. What either
        raises ends the loop.
        """
        self._changed.set()
        due = self._clock.monotonic()
        while True:
            if (now := self._clock.monotonic()) >= due:
                due = now + self._look
                if await look():
                    self._changed.set()
            try:
                async with self._clock.timeout(None if due == math.inf else due - self._clock.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                continue
            if wait := self._coalesce() if callable(self._coalesce) else self._coalesce:
                await self._clock.sleep(wait)
            self._changed.clear()
            if await sync():
                self._retry.reset()
            else:
                self._changed.set()
                await self._clock.sleep(self._retry.next())
