"""Whoever shows bad credentials again and again has to wait longer for each answer (security lesson 21)."""

from __future__ import annotations

from collections import OrderedDict

from longboat.aio.clock import Clock

FREE = 10  # failures an address may have without waiting
FORGIVEN = 10.0  # seconds in which one failure is forgotten
FIRST, LONGEST = 0.05, 2.0  # seconds of waiting, doubling with each failure
REMEMBERED = 4096  # addresses


class Penalty:
    """Counts failures by address; each is forgotten after a while. Answers wait, they are never refused for it:
    behind one address there may be many clients, and a good credential costs no wait at all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how many, as of when

    def failed(self, address: str) -> float:
        """Note a failure; returns the seconds to wait before it is answered."""
        now = self._clock.monotonic()
        count, since = self._failures.pop(address, (0.0, now))
        count = max(0.0, count - (now - since) / FORGIVEN) + 1
        self._failures[address] = count, now
        if len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)
        over = count - FREE
        return min(FIRST * 2.0 ** min(over - 1, 10), LONGEST) if over > 0 else 0.0
