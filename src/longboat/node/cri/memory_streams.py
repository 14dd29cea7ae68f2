"""Streams of the in-memory runtime: a session that says what a command would, and a web server in no network."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from http import HTTPStatus

from longboat.aio.clock import Clock
from longboat.node.cri.interface import Streams
from longboat.node.simulated.script import Answer

FOR_EVER = 1e9  # seconds


class MemorySession:
    """Implements `interface.Session`: a command's answer, or (`echo`) what it is told.

    `left` is called once nobody tells it anything any more.
    """

    def __init__(
        self, clock: Clock, answer: Answer, *, echo: bool, left: Callable[[], None] = lambda: None
    ) -> None:  # fmt: skip
        self._clock, self._answer, self._echoes, self._left = clock, answer, echo, left
        self._output: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue(64)
        for stream, data in (("stdout", answer.stdout), ("stderr", answer.stderr)):
            if data:
                self._output.put_nowait((stream, data))
        if not self._echoes:
            self._output.put_nowait(None)

    async def read(self) -> tuple[str, bytes] | None:
        return await self._output.get()

    async def write(self, data: bytes) -> None:
        if self._echoes:
            await self._output.put(("stdout", data))

    async def end_input(self) -> None:
        if self._echoes:
            await self._output.put(None)
            self._left()

    async def resize(self, width: int, height: int) -> None:
        return None

    async def exit_code(self) -> int:
        await self._clock.sleep(min(self._answer.after, FOR_EVER))
        return self._answer.code

    async def close(self) -> None:
        if self._echoes:
            self._left()


class _Answering:
    """The writing half of a connection to a web server that answers whatever it is asked."""

    def __init__(self, reader: asyncio.StreamReader, status: int) -> None:
        self._reader, self._status, self._answered = reader, status, False

    def write(self, data: bytes) -> None:
        if not self._answered:
            self._answered = True
            phrase = HTTPStatus(self._status).phrase
            body = f"{phrase}\n".encode()
            head = f"HTTP/1.1 {self._status} {phrase}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            self._reader.feed_data(head.encode() + body)
            self._reader.feed_eof()

    async def drain(self) -> None:
        return None

    def write_eof(self) -> None:
        self.close()

    def close(self) -> None:
        if not self._answered:
            self._answered = True
            self._reader.feed_eof()


def web_server(status: int) -> Streams:
    """A connection to one."""
    reader = asyncio.StreamReader()
    return reader, _Answering(reader, status)


def refused() -> OSError:
    return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
