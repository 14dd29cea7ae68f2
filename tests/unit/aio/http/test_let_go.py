"""Connections and requests are gone when they have ended, without the collector of cycles, which counts objects and not
bytes: each of these holds 256 KiB of TLS buffers and a body. 600 broken requests once held 170 MB."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from longboat.aio.clock import SystemClock
from longboat.aio.http import server as http
from longboat.aio.http.connection import Connection
from longboat.aio.http.message import Message
from longboat.aio.http.upgraded import Upgraded
from longboat.apiserver.app import APIServer, Config
from longboat.apiserver.authn.tokens import static_tokens
from longboat.apiserver.pki import Pki
from longboat.apiserver.request import Request
from longboat.apiserver.serving import tls
from longboat.storage.memory import MemoryStorage

ADMIN = "Host: h\r\nAuthorization: Bearer admin\r\n"
JSON = ADMIN + "Content-Type: application/json\r\n"
MAPS = "/api/v1/namespaces/default/configmaps"
CLAIM = '{"metadata":{"name":"default","resourceVersion":"1"}}'
TOKEN = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"  # well formed, signed by nobody

ENDINGS = {
    "a token that is not ours": f"GET /api HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {TOKEN}\r\n\r\n",
    "a token that is none": "GET /api HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \x01.a.b\r\n\r\n",
    "half a head": "GET /api HTTP/1.1\r\nHost: h\r\nX",
    "half a body that is wanted": f"POST {MAPS} HTTP/1.1\r\n{JSON}Content-Length: 9000\r\n\r\n{{",
    "half a body that is not": "POST /api HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n{",
    "half a body behind another request": f"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n"
    f"POST {MAPS} HTTP/1.1\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n2\r\n{{",
    "many at once": "GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n" * 20,
    "what is not HTTP": "\x00\x01\x02\r\n\r\n",
    "no host": "GET /api HTTP/1.1\r\n\r\n",
    "a watch that is left": f"GET /api/v1/pods?watch=1 HTTP/1.1\r\n{ADMIN}\r\n",
    "an object of another version": f"PUT /api/v1/namespaces/default/serviceaccounts/default HTTP/1.1\r\n{JSON}"
    f"Content-Length: {len(CLAIM)}\r\n\r\n{CLAIM}",
    "an object that is no JSON": f"POST {MAPS} HTTP/1.1\r\n{JSON}Content-Length: 1\r\n\r\n{{",
    "an upgrade": f"GET /api/v1/nodes/n/proxy/ HTTP/1.1\r\n{ADMIN}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def say(port: int, context: ssl.SSLContext, text: str) -> None:
    """Say it, hear a little of the answer, and hang up."""
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(text.encode("latin-1"))
        client.settimeout(0.2)
        with contextlib.suppress(TimeoutError, OSError):
            client.recv(65536)


def left() -> list[str]:
    """What there is of connections and of what they have read; `SSLProtocol` is uvloop's, with the buffers."""
    kinds = (Connection, Request, Message, Upgraded)
    return [type(o).__name__ for o in gc.get_objects() if isinstance(o, kinds) or type(o).__name__ == "SSLProtocol"]


async def serve(folder: Path, scene: Callable[[int, ssl.SSLContext], Awaitable[Any]]) -> None:
    clock = SystemClock()
    pki = Pki(folder, clock)
    serving = pki.serving(["127.0.0.1"])
    (folder / "tokens.csv").write_text('admin,admin,1,"system:masters"\n')
    config = Config(service_account_key=pki.service_account_key, authenticators=[static_tokens(folder / "tokens.csv")])
    api = APIServer(MemoryStorage(clock), clock, config)
    server = http.Server(Request.received, api.handle, tls(serving, [pki.ca.pair.certificate]), clock)
    await api.start()
    try:
        context = ssl.create_default_context(cafile=str(pki.ca.pair.certificate))
        await scene(await server.listen("127.0.0.1", 0), context)
    finally:
        await server.close()
        await api.close()


@pytest.mark.usefixtures("without_collector")
def test_nothing_waits_for_the_collector(tmp_path: Path) -> None:
    found: dict[str, list[str]] = {}

    async def scene(port: int, context: ssl.SSLContext) -> None:
        before = left()  # of other tests
        for name, text in ENDINGS.items():
            await asyncio.to_thread(say, port, context, text)
            for _ in range(100):
                if len(after := left()) <= len(before):
                    break
                await asyncio.sleep(0.01)
            else:
                found[name] = after[len(before) :]
            before = after

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(tmp_path, scene))
    assert found == {}
