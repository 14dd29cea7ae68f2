"""Sending events to somebody else: an EventList at a time, batched and bounded (upstream's webhook backend).

`batch`: events wait in memory; what does not fit is dropped, and counted. `blocking`: each request waits until its
events are there. `blocking-strict`: and is refused where the first of them does not get there.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from dataclasses import dataclass

from longboat.aio.clock import Clock
from longboat.apiserver.audit.trail import COUNTS
from longboat.apiserver.remote import Remote, Unreachable

log = logging.getLogger(__name__)

BATCH, BLOCKING, STRICT = MODES = "batch", "blocking", "blocking-strict"
MOST = 64 << 20  # bytes of events in memory, those included that are on their way
AT_ONCE = 10  # batches on their way (upstream: as many as there are)
TRIES, GROWTH, JITTER = 5, 1.5, 0.2  # as upstream (webhook.DefaultRetryBackoffWithInitialDelay)
SECONDS = 30.0  # for an answer
FAREWELL = 5.0  # seconds for what is left when the server ends
HEAD, END = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[', b"]}"
DROPPED, FAILED = "buffered", "webhook"  # names of upstream's plugins, for the figures


@dataclass(frozen=True, slots=True)
class Settings:
    """Upstream's flags `--audit-webhook-…`, and their defaults. Times in seconds; `qps` 0 for no throttle."""

    remote: Remote
    mode: str = BATCH
    buffer_size: int = 10_000
    max_size: int = 400
    max_wait: float = 30.0
    qps: float = 10.0
    burst: int = 15
    initial_backoff: float = 10.0


class Webhook:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._dice = random.Random()
        self._waiting: deque[bytes] = deque()
        self._size = 0  # bytes of all that is in memory
        self._wake = asyncio.Event()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tokens, self._counted = float(settings.burst), clock.monotonic()
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def blocking(self) -> bool:
        return self._settings.mode != BATCH

    @property
    def strict(self) -> bool:
        return self._settings.mode == STRICT

    def add(self, event: bytes) -> None:
        """Have it sent with others."""
        if len(self._waiting) >= self._settings.buffer_size or self._size + len(event) > MOST:
            COUNTS.errors[DROPPED] += 1
            return
        self._waiting.append(event)
        self._size += len(event)
        if len(self._waiting) == 1 or len(self._waiting) >= self._settings.max_size:
            self._wake.set()

    async def send(self, events: list[bytes]) -> bool:
        """Whether they got there, after a few attempts. What did not is counted, and told."""
        body = b"".join((HEAD, b",".join(events), END))
        for attempt in range(TRIES):
            try:
                await self._settings.remote.post(body, self._clock, SECONDS)
                return True
            except Unreachable as error:
                if attempt == TRIES - 1 or not error.passing:
                    COUNTS.errors[FAILED] += len(events)
                    log.error("cannot send %d audit events, they are lost: %s", len(events), error)
                    return False
            delay = self._settings.initial_backoff * GROWTH**attempt
            await self._clock.sleep(delay * (1 + JITTER * self._dice.random()))
        raise AssertionError("unreachable")

    async def run(self) -> None:
        """Send batches, until cancelled: when one is full, or its first event has waited long enough."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not self._waiting:
                continue
            if len(self._waiting) < self._settings.max_size:
                await self._fill()
            await self._throttle()
            await self._places.acquire()
            self._dispatch(self._take())
            if self._waiting:
                self._wake.set()

    async def close(self) -> None:
        """Send what is left, for a while."""

        async def rest() -> None:
            while self._waiting:
                batch = self._take()
                await self.send(batch)
                self._size -= sum(map(len, batch))
            await asyncio.gather(*self._sending, return_exceptions=True)

        left = asyncio.ensure_future(rest())
        _, pending = await asyncio.wait({left}, timeout=FAREWELL)
        for task in (*pending, *self._sending):
            task.cancel()
        await asyncio.gather(left, *self._sending, return_exceptions=True)
        if self._waiting:
            COUNTS.errors[DROPPED] += len(self._waiting)
            log.error("%d audit events could not be sent before the end", len(self._waiting))

    async def _fill(self) -> None:
        """Wait until there are enough for a batch, or it is time."""
        try:
            async with self._clock.timeout(self._settings.max_wait):
                while len(self._waiting) < self._settings.max_size:
                    await self._wake.wait()
                    self._wake.clear()
        except TimeoutError:
            return

    async def _throttle(self) -> None:
        """A bucket of tokens, one for each batch."""
        if not self._settings.qps:
            return
        now = self._clock.monotonic()
        self._tokens = min(self._settings.burst, self._tokens + (now - self._counted) * self._settings.qps)
        self._counted = now
        self._tokens -= 1
        if self._tokens < 0:
            await self._clock.sleep(-self._tokens / self._settings.qps)

    def _take(self) -> list[bytes]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._settings.max_size))]

    def _dispatch(self, batch: list[bytes]) -> None:
        async def work() -> None:
            try:
                await self.send(batch)
            finally:
                self._size -= sum(map(len, batch))
                self._places.release()

        task = asyncio.create_task(work(), name="audit webhook")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
