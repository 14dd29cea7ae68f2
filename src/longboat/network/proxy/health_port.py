"""A port that answers each HTTP request with a short report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from longboat.aio.clock import Clock
from longboat.aio.http.census import Census
from longboat.aio.http.exchange import Incoming, Response
from longboat.aio.http.server import Server

MOST_CONNECTIONS = 64
HELD = 1 << 20  # bytes of requests, and of answers, for all clients together


@dataclass(frozen=True, slots=True)
class _Asked:
    """Anybody may ask, and nobody is known: who has come from one address most often makes room for others."""

    path: str
    known: bool = False
    for_client_alone: bool = False

    @classmethod
    def received(cls, incoming: Incoming) -> _Asked:
        return cls(incoming.split()[0])


class HealthPort:
    """`answer` is given the path, without query."""

    def __init__(self, clock: Clock, answer: Callable[[str], Response]) -> None:
        async def handle(asked: _Asked) -> Response:
            return answer(asked.path)

        census = Census(MOST_CONNECTIONS, MOST_CONNECTIONS)
        self._server = Server(_Asked.received, handle, None, clock, census, held=HELD)

    async def open(self, port: int, hosts: tuple[str, ...] = ("0.0.0.0",)) -> int:
        """At these addresses. Returns the port. Raises OSError."""
        for host in hosts:
            port = await self._server.listen(host, port)
        return port

    async def close(self) -> None:
        await self._server.close()
