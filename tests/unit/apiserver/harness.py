"""An API server in memory, asked without sockets as any user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import msgspec

from longboat.aio.clock import Clock, SystemClock
from longboat.apiserver.app import APIServer, Config
from longboat.apiserver.authn.identity import known
from longboat.apiserver.request import Request, Response
from longboat.assembly import rights
from longboat.machinery.user import User
from longboat.storage.memory import MemoryStorage

ADMIN = known("admin", ["system:masters"])


def user(name: str, *groups: str) -> User:
    return known(name, groups)


class Api:
    def __init__(self, server: APIServer) -> None:
        self.server = server

    async def response(
        self, method: str, target: str, body: Any = None, who: User | None = ADMIN, **headers: str
    ) -> Response:
        path, _, query = target.partition("?")
        data = body if isinstance(body, bytes) else msgspec.json.encode(body) if body is not None else b""

        async def read_body(limit: int) -> bytes:
            return data

        named = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.server.handle(
            Request(method, path, parse_qs(query, keep_blank_values=True), named, read_body, "127.0.0.1", user=who)
        )

    async def ask(
        self, method: str, target: str, body: Any = None, who: User | None = ADMIN, **headers: str
    ) -> tuple[int, Any]:
        """Status code and decoded body, all of it where it is streamed."""
        response = await self.response(method, target, body, who, **headers)
        said = response.whole() if response.stream is None else b"".join([piece async for piece in response.stream])
        response.end()
        return response.status, msgspec.json.decode(said) if "json" in response.content_type else said.decode()

    async def make(self, target: str, body: Any, who: User | None = ADMIN) -> Any:
        code, made = await self.ask("POST", target, body, who)
        assert code == 201, made
        return made


@asynccontextmanager
async def api_server(
    clock: Clock | None = None, storage: MemoryStorage | None = None, **config: Any
) -> AsyncIterator[Api]:
    """A storage that is given is left open."""
    clock, given = clock or SystemClock(), storage
    storage = given or MemoryStorage(clock)
    server = APIServer(storage, clock, Config(**{"rights": rights.declared(), **config}))
    await server.start()
    try:
        yield Api(server)
    finally:
        await server.close()
        if given is None:
            await storage.close()


def play(scene: Callable[[Api], Awaitable[None]], clock: Clock | None = None, **config: Any) -> None:
    """Run a scene against a fresh server."""

    async def main() -> None:
        async with asyncio.timeout(60), api_server(clock, **config) as api:
            await scene(api)

    asyncio.run(main())
