"""Streams of the in-memory runtime: a session that says what a command would, and a web server in no network."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from http import HTTPStatus

from longboat.aio.clock import Clock
from longboat.node.cri import behaviour
from longboat.node.cri.interface import Streams


class MemorySession:
    """Implements `interface.Session`: the command's output, or (cat) its input."""

    def __init__(self, clock: Clock, command: Sequence[str], *, echo: bool) -> None:
        self._clock = clock
        self._does = behaviour.interpret(command)
        self._echoes = echo and self._does.seconds is None
        self._output: asyncio.Queue[bytes | None] = asyncio.Queue(64)
        if self._does.output:
            self._output.put_nowait(self._does.output)
        if not self._echoes:
            self._output.put_nowait(None)

    async def read(self) -> tuple[str, bytes] | None:
        data = await self._output.get()
        return None if data is None else ("stdout", data)

    async def write(self, data: bytes) -> None:
        if self._echoes:
            await self._output.put(data)

    async def end_input(self) -> None:
        if self._echoes:
            await self._output.put(None)

    async def resize(self, width: int, height: int) -> None:
        return None

    async def exit_code(self) -> int:
        await self._clock.sleep(self._does.seconds or 0.0)
        return self._does.code

    async def close(self) -> None:
        return None


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
