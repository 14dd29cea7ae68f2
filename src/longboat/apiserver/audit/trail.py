"""What was recorded, on its way to the disk: two rings, so that nobody without an identity washes out the others."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from datetime import datetime
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.apiserver.audit.rotation import Limits, RotatedFile

log = logging.getLogger(__name__)

FLUSH_EVERY = 0.5  # seconds
MAX_PENDING = 16 << 20  # bytes of each ring in memory; what comes on top is dropped, and counted
UNAUTHENTICATED_BACKUPS = 2
RINGS = ("log", "log-unauthenticated")


class Counts:
    """For /metrics: of all trails of this process."""

    def __init__(self) -> None:
        self.events = 0
        self.rejected = 0  # requests whose event could not be kept, where that refuses them
        self.levels: Counter[str] = Counter()  # of requests
        self.errors: Counter[str] = Counter()  # by ring, or the part of the webhook


COUNTS = Counts()


class Ring:
    """`errors`: events that could not be kept, by the name of the ring."""

    def __init__(self, name: str, file: RotatedFile) -> None:
        self.name = name
        self.file = file
        self.size = 0
        self._pending: list[bytes] = []
        self._writing = threading.Lock()  # when the server stops, a thread may still be at the batch before

    def add(self, line: bytes) -> None:
        if self.size + len(line) > MAX_PENDING:
            COUNTS.errors[self.name] += 1
            return
        self._pending.append(line)
        self.size += len(line)

    def take(self) -> list[bytes]:
        """What is pending; for `write`."""
        batch, self._pending, self.size = self._pending, [], 0
        return batch

    def write(self, batch: list[bytes], now: datetime) -> None:
        """Blocks: for a thread."""
        if not batch:
            return
        with self._writing:
            try:
                self.file.write(batch, now)
            except OSError as error:
                COUNTS.errors[self.name] += len(batch)
                log.error("cannot write the audit log %s, %d events are lost: %s", self.file.path, len(batch), error)


class AuditTrail:
    """`audit.log`, and beside it `audit-unauthenticated.log` for requests without an identity.

    Events wait in memory and are written by a thread, so that no request waits for the disk.
    """

    def __init__(self, path: Path, limits: Limits, clock: Clock) -> None:
        stranger = path.with_stem(f"{path.stem}-unauthenticated")
        few = Limits(limits.max_age, UNAUTHENTICATED_BACKUPS, limits.max_size)
        self._ring = Ring(RINGS[0], RotatedFile(path, limits))
        self._strangers = Ring(RINGS[1], RotatedFile(stranger, few))
        self._clock = clock

    def record(self, line: bytes, *, authenticated: bool) -> None:
        (self._ring if authenticated else self._strangers).add(line)

    def check(self) -> None:
        """See that both files can be written. Raises OSError: what cannot record does not serve."""
        for ring in (self._ring, self._strangers):
            ring.file.check(self._clock.now())

    async def run(self) -> None:
        """Write what has been recorded, until cancelled."""
        while True:
            await self._clock.sleep(FLUSH_EVERY)
            if self._ring.size or self._strangers.size:
                await self.flush()

    async def flush(self) -> None:
        """Write what has been recorded by now."""
        batches = [(ring, ring.take()) for ring in (self._ring, self._strangers)]
        await asyncio.to_thread(_write, batches, self._clock.now())


def _write(batches: list[tuple[Ring, list[bytes]]], now: datetime) -> None:
    for ring, batch in batches:
        ring.write(batch, now)
