"""What connections hold for their clients, bounded together: who has taken or sent nothing for longest pays."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from longboat.aio.clock import Clock

PATIENCE = 1.0  # seconds without progress that count as stalled


class Holder(Protocol):
    def abort(self) -> None:
        """End at once; what it held is given up."""
        ...


class Budget:
    """Bytes that many hold: beyond `most` in all, those that have stalled are ended, beyond twice as many those that
    have made no progress for longest. A client that reads and writes as it comes is not among them."""

    def __init__(self, most: int, clock: Clock) -> None:
        self.total = 0
        self._most = most
        self._clock = clock
        self._held: OrderedDict[Holder, tuple[int, float]] = OrderedDict()  # since when; the longest ago first

    def hold(self, holder: Holder, size: int) -> None:
        """It has made progress, and holds so much now; 0 for nothing."""
        self.total += size - self._held.pop(holder, (0, 0.0))[0]
        if size:
            self._held[holder] = size, self._clock.monotonic()
            if self.total > self._most:
                self.settle()

    def settle(self) -> None:
        """End whom there is no room for (also called now and then). A single one may hold what it has to."""
        stalled = self._clock.monotonic() - PATIENCE
        while self.total > self._most and len(self._held) > 1:
            holder, (size, since) = next(iter(self._held.items()))
            if since > stalled and self.total <= 2 * self._most:
                return
            del self._held[holder]
            self.total -= size
            holder.abort()
