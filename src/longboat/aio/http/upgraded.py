"""A connection that has left HTTP behind: bytes in, bytes out, neither held without bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from longboat.aio.http.hung_up import HUNG_UP

LIMIT = 1 << 20  # bytes that may wait to be read


class Upgraded:
    """Implements `exchange.Socket`."""

    def __init__(self, transport: asyncio.Transport, drain: Callable[[], Awaitable[None]]) -> None:
        self._transport = transport
        self._drain = drain
        self._buffer = bytearray()
        self._ended = False
        self._paused = False
        self._ready = asyncio.Event()

    def feed(self, data: bytes) -> None:
        """Bytes have come (the connection's side)."""
        self._buffer += data
        if len(self._buffer) > LIMIT and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._ready.set()

    def feed_end(self) -> None:
        """No more will come (the connection's side)."""
        self._ended = True
        self._ready.set()

    def lost(self) -> None:
        """Nothing more will come, nor go out (the connection's side)."""
        self._transport = HUNG_UP
        self.feed_end()

    async def read(self) -> bytes:
        """The next bytes; b"" at the end."""
        while not self._buffer and not self._ended:
            self._ready.clear()
            await self._ready.wait()
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Raises ConnectionResetError when the client has gone."""
        if self._transport.is_closing():
            raise ConnectionResetError("the client went away")
        self._transport.write(data)
        await self._drain()

    async def close(self) -> None:
        self._transport.close()
