"""Keys to be worked on: each waits once, is worked on by one worker at a time, and comes again after failures.

A key that is added while it is being worked on is worked on again afterwards: no change is missed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from longboat.aio.backoff import doubling
from longboat.aio.clock import Clock, Timer
from longboat.aio.histogram import Histogram, exponential

K = TypeVar("K", bound=Hashable)

FIRST_RETRY = 0.005  # seconds (client-go, DefaultTypedControllerRateLimiter)
LONGEST_RETRY = 1000.0
SPREAD = exponential(1e-8, 10, 10)  # seconds (component-base, workqueue metrics)


class Closed(Exception):
    """The queue takes and gives no more."""


class WorkQueue(Generic[K]):
    def __init__(self, clock: Clock, *, first: float = FIRST_RETRY, longest: float = LONGEST_RETRY) -> None:
        self._clock = clock
        self._first, self._longest = first, longest
        self._order: deque[K] = deque()
        self._dirty: dict[K, float] = {}  # to be worked on, and since when
        self._working: dict[K, float] = {}  # likewise
        self._failures: dict[K, int] = {}
        self._delayed: dict[K, tuple[float, Timer]] = {}
        self._wake = asyncio.Event()
        self._closed = False
        self.adds = self.retries = 0
        self.waited, self.worked = Histogram(SPREAD), Histogram(SPREAD)

    @property
    def depth(self) -> int:
        """Keys to be worked on, those included that are being worked on and have to be again."""
        return len(self._dirty)

    def working(self) -> list[float]:
        """For how many seconds each key that is being worked on has been."""
        now = self._clock.monotonic()
        return [now - since for since in list(self._working.values())]

    def __len__(self) -> int:
        return len(self._order)

    def add(self, key: K) -> None:
        if self._closed or key in self._dirty:
            return
        self.adds += 1
        self._dirty[key] = self._clock.monotonic()
        if key not in self._working:
            self._order.append(key)
            self._wake.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Add later. Of several delays for one key the earliest counts."""
        self.retries += 1
        if seconds <= 0:
            self.add(key)
            return
        if self._closed:
            return
        due = self._clock.monotonic() + seconds
        if key in self._delayed:
            if self._delayed[key][0] <= due:
                return
            self._delayed[key][1].cancel()
        self._delayed[key] = (due, self._clock.call_later(seconds, lambda: self._due(key)))

    def retry(self, key: K) -> float:
        """Add after a delay that doubles with each retry since the last `forget`; returns the delay."""
        self._failures[key] = failures = self._failures.get(key, 0) + 1
        delay = doubling(failures, self._first, self._longest)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """The key has been worked on successfully."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)

    async def get(self) -> K:
        """The next key; it is the caller's until `done`. Raises Closed."""
        while not self._order:
            if self._closed:
                raise Closed
            self._wake.clear()
            await self._wake.wait()
        key = self._order.popleft()
        self._working[key] = now = self._clock.monotonic()
        self.waited.observe(now - self._dirty.pop(key))
        return key

    def done(self, key: K) -> None:
        self.worked.observe(self._clock.monotonic() - self._working.pop(key))
        if key in self._dirty:
            self._order.append(key)
            self._wake.set()

    def close(self) -> None:
        """Give what waits to the workers, then let them go."""
        self._closed = True
        for _, timer in self._delayed.values():
            timer.cancel()
        self._delayed.clear()
        self._wake.set()

    def _due(self, key: K) -> None:
        self._delayed.pop(key, None)
        self.add(key)
