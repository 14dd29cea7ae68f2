"""A webhook that misbehaves as it is told: HTTPS on loopback, in the test's own loop. Connections are counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from oracle.webhook import _identity, answer

Behave = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """One request that has come."""

    def __init__(
        self, backend: Backend, review: Any, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.backend, self.review, self.path, self.reader, self.writer = backend, review, path, reader, writer

    def say(self, body: bytes, status: int = 200, **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", "content-type: application/json", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    def allow(self, **response: Any) -> None:
        self.say(json.dumps(answer({"response": response}, self.review)).encode())

    def cut(self) -> None:
        self.writer.transport.abort()


async def allow(exchange: Exchange) -> None:
    exchange.allow()


class Backend:
    """`connections`: made since it began; `open`: just now; `most`: of exchanges at once."""

    def __init__(self) -> None:
        self.behave: Behave = allow
        self.connections = self.exchanges = self.open = self.under_way = self.most = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._context, self.ca = _identity()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Connections that are open stay so."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def fall(self) -> None:
        """As a process that is killed."""
        await self.stop()
        for writer in list(self._writers):
            writer.transport.abort()

    def client(self, path: str = "/") -> Any:
        return {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.ca}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                review = json.loads(await reader.readexactly(length))
                self.exchanges += 1
                self.under_way += 1
                self.most = max(self.most, self.under_way)
                try:
                    await self.behave(Exchange(self, review, head.split()[1].decode(), reader, writer))
                finally:
                    self.under_way -= 1
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            pass  # who asks goes when they like
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.transport.abort()


@asynccontextmanager
async def backend() -> AsyncIterator[Backend]:
    found = Backend()
    await found.start()
    try:
        yield found
    finally:
        await found.stop()
        while found.open:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
