"""A port that answers each HTTP request with a short report."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus

from longboat.aio.clock import Clock
from longboat.aio.http1 import BadMessage, encode_response, read_request
from longboat.aio.tasks import Tasks
from longboat.network.proxy.health import Answer

log = logging.getLogger(__name__)
MAX_HEAD = 16 << 10  # bytes
IDLE = 30.0  # seconds a connection may wait for its next request, or an answer for being read
MOST_CONNECTIONS = 64


class HealthPort:
    """`answer` is given the path, without query."""

    def __init__(self, name: str, clock: Clock, answer: Callable[[str], Answer]) -> None:
        self._answer, self._clock = answer, clock
        self._tasks = Tasks(f"health/{name}")
        self._server: asyncio.Server | None = None

    async def open(self, port: int, hosts: tuple[str, ...] = ("0.0.0.0",)) -> int:
        """At these addresses. Returns the port. Raises OSError."""
        self._server = await asyncio.start_server(self._connected, hosts, port, limit=MAX_HEAD)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._tasks.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= MOST_CONNECTIONS:
            writer.transport.abort()
        else:
            self._tasks.spawn("connection", self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with self._clock.timeout(IDLE):
                    if not await self._one(reader, writer):
                        return
        except (OSError, BadMessage, TimeoutError) as error:
            log.debug("connection to a health port: %s", error)
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection can be used for another request."""
        head = await read_request(reader)
        if head is None:
            return False
        if (refused := head.refused()) is not None:
            answer = Answer(refused.status, refused.text.encode())
        else:
            answer = self._answer(head.target.partition("?")[0])
        has_body = not {"content-length", "transfer-encoding"}.isdisjoint(head.headers)  # nobody reads it
        keep = refused is None and not has_body and not head.headers.has_token("connection", "close")
        headers = [*answer.headers, ("Content-Length", str(len(answer.body)))]
        if not keep:
            headers.append(("Connection", "close"))
        writer.write(encode_response(answer.status, HTTPStatus(answer.status).phrase, headers))
        writer.write(b"" if head.method == "HEAD" else answer.body)
        await writer.drain()
        return keep
