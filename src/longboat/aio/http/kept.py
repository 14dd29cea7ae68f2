"""Connections that have answered and may be used again: few, and not for long."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from longboat.aio.clock import Clock, Timer

MOST = 10  # connections that nobody uses just now
IDLE = 30.0  # seconds after which one of these is closed

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Address = tuple[str, int]
"""An address or a name, and a port."""


@dataclass(slots=True)
class _Kept:
    connection: Connection
    address: Address
    since: float

    def end(self) -> None:
        self.connection[1].transport.abort()


class Kept:
    """All of them are alike but for their address: with the same trust, and as the same client."""

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque()  # the one that was used last comes last
        self._sweeping: Timer | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, address: Address) -> Connection | None:
        """One to there that its peer has neither closed nor written to since, as far as one can see."""
        for kept in reversed(self._kept):
            if kept.address != address:
                continue
            self._kept.remove(kept)
            reader, writer = kept.connection
            if not writer.is_closing() and _silent(reader):
                return kept.connection
            kept.end()
            return self.take(address)
        return None

    def keep(self, connection: Connection, address: Address, clock: Clock) -> None:
        """What was asked over it has been answered whole, and its peer leaves it open."""
        if self._closed:
            connection[1].transport.abort()
            return
        self._kept.append(_Kept(connection, address, clock.monotonic()))
        if len(self._kept) > MOST:
            self._kept.popleft().end()
        if self._sweeping is None:
            self._sweeping = clock.call_later(IDLE, lambda: self._sweep(clock))

    def _sweep(self, clock: Clock) -> None:
        self._sweeping = None
        while self._kept and self._kept[0].since <= clock.monotonic() - IDLE:
            self._kept.popleft().end()
        if self._kept:
            left = self._kept[0].since + IDLE - clock.monotonic()
            self._sweeping = clock.call_later(left, lambda: self._sweep(clock))

    def close(self) -> None:
        """What is under way ends as it would have, and nothing is kept any more."""
        self._closed = True
        while self._kept:
            self._kept.pop().end()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None


def _silent(reader: asyncio.StreamReader) -> bool:
    """Whether nothing is there to be read, nor its end: what nobody has asked for would be taken for an answer."""
    if reader.at_eof():
        return False
    reading = reader.read(1)
    try:
        reading.send(None)
    except (StopIteration, OSError):
        return False
    reading.close()
    return True
