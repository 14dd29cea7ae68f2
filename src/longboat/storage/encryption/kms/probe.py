"""Asks a key management service how it is: before it is relied on, now and then, and for /readyz."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from longboat.aio.clock import Clock
from longboat.storage.encryption.kms.envelope import Envelope
from longboat.storage.encryption.kms.service import ServiceFailed

log = logging.getLogger(__name__)

# Seconds, as upstream has them. The seed is good for three minutes, so a service that fails is asked many times before.
WELL_EVERY, UNWELL_EVERY = 60.0, 10.0
WELL_FOR, UNWELL_FOR = 20.0, 3.0  # how long an answer serves those who ask for health


class Probe:
    """`recovered` is called when the service is well again."""

    def __init__(self, envelope: Envelope, clock: Clock, recovered: Callable[[], None]) -> None:
        self._envelope = envelope
        self._clock = clock
        self._recovered = recovered
        self._lock = asyncio.Lock()
        self._problem: str | None = None
        self._good_until = float("-inf")

    async def check(self) -> str | None:
        """What is wrong with the service, None if nothing; an answer a few seconds old will do."""
        async with self._lock:
            if self._clock.monotonic() >= self._good_until:
                try:
                    await self._envelope.check()
                except ServiceFailed as error:
                    self._problem = str(error)
                else:
                    if self._problem:
                        self._recovered()
                    self._problem = None
                self._good_until = self._clock.monotonic() + (UNWELL_FOR if self._problem else WELL_FOR)
            return self._problem

    async def run(self) -> None:
        """Keep the seed fresh. Never ends."""
        while True:
            problem = await self.check()
            if problem:
                log.warning("key management service %s: %s", self._envelope.name, problem)
            await self._clock.sleep(UNWELL_EVERY if problem else WELL_EVERY)
