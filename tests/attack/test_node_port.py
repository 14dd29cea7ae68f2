"""A node's own port, spoken to by somebody with a certificate of the cluster: as strict as the API server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from longboat.aio.clock import SystemClock
from longboat.apiserver.pki import Pki
from longboat.node.serve import http
from longboat.node.serve.http import Answer, Request, Server

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(request: Request) -> Answer:
    return Answer(body=f"{request.method} {request.path} {len(request.body)}".encode())


async def whose(token: str) -> http.Caller | None:
    return http.Caller("system:serviceaccount:a:b", ("a",)) if token == "good" else None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Authorization: Bearer good\r\n", 200),
        ("Authorization: bearer  good\r\n", 200),
        ("", 401),
        ("Authorization: Bearer bad\r\n", 401),
        ("Authorization: Bearer \r\n", 401),
        ("Authorization: Basic good\r\n", 401),
        ("Authorization: Bearer good\r\nAuthorization: Bearer bad\r\n", 401),
        ("X-Remote-User: admin\r\n", 401),
    ],
)
def test_who_has_no_certificate_shows_one_token_that_is_somebodys(tmp_path: Path, headers: str, status: int) -> None:
    """Nothing of the body is read before that: it is announced and never sent."""
    callers: list[http.Caller] = []

    async def note(request: Request) -> Answer:
        callers.append(request.caller)
        return Answer()

    async def main() -> bytes:
        pki = Pki(tmp_path, SystemClock())
        serving = pki.serving(["127.0.0.1"])
        offered = http.tls(serving.certificate, serving.key, tmp_path / "ca.crt", tokens=True)
        server = Server(note, offered, SystemClock(), whose)
        number = await server.listen("127.0.0.1", 0)
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", number, ssl=context)
            length = "" if status == 200 else "Content-Length: 1000\r\n"
            writer.write(f"POST / HTTP/1.1\r\nHost: a\r\n{length}{headers}\r\n".encode())
            line = await reader.readline()
            writer.close()
        await server.close()
        return line

    assert asyncio.run(main()).split()[1] == str(status).encode()
    assert callers == ([http.Caller("system:serviceaccount:a:b", ("a",))] if status == 200 else [])


def test_a_certificate_of_nobody_known_is_not_made_good_by_a_token(tmp_path: Path) -> None:
    async def main() -> None:
        pki, other = Pki(tmp_path / "a", SystemClock()), Pki(tmp_path / "b", SystemClock())
        serving, stranger = pki.serving(["127.0.0.1"]), other.client("s", "admin", ["system:masters"])
        offered = http.tls(serving.certificate, serving.key, tmp_path / "a" / "ca.crt", tokens=True)
        server = Server(echo, offered, SystemClock(), whose)
        number = await server.listen("127.0.0.1", 0)
        context = ssl.create_default_context(cafile=str(tmp_path / "a" / "ca.crt"))
        context.load_cert_chain(stranger.certificate, stranger.key)
        found = b""
        async with asyncio.timeout(10):
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", number, ssl=context)
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n\r\n")
                found = await reader.read()
                writer.close()
        assert found == b""
        await server.close()

    asyncio.run(main())


@asynccontextmanager
async def port(folder: Path) -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    pki = Pki(folder, SystemClock())
    serving, client = pki.serving(["127.0.0.1"]), pki.client("somebody", "somebody")
    server = Server(echo, http.tls(serving.certificate, serving.key, folder / "ca.crt"), SystemClock())
    number = await server.listen("127.0.0.1", 0)
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(client.certificate, client.key)
    try:
        yield lambda: asyncio.open_connection("127.0.0.1", number, ssl=context)
    finally:
        await server.close()


def told(folder: Path, sent: bytes) -> bytes:
    """What is answered until the node hangs up."""

    async def main() -> bytes:
        async with asyncio.timeout(20), port(folder) as connect:
            reader, writer = await connect()
            writer.write(sent)
            found = b""
            with suppress(ConnectionError):
                found = await reader.read()
            writer.close()
            return found

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n", 417),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_not_acted_on(tmp_path: Path, head: str, status: int) -> None:
    found = told(tmp_path, f"{head}\r\n0\r\n\r\n".encode())
    assert found.startswith(f"HTTP/1.1 {status} ".encode())
    assert found.count(b"HTTP/1.1 ") == 1


def test_the_rest_of_a_body_that_is_too_large_is_no_request(tmp_path: Path) -> None:
    hidden = b"GET /hidden HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    length = http.MAX_BODY + 1 + len(hidden)
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()
    found = told(tmp_path, head + b"x" * (http.MAX_BODY + 1) + hidden)
    assert found.startswith(b"HTTP/1.1 413 ")
    assert b"hidden" not in found


def test_trailers_without_end_end_the_connection(tmp_path: Path) -> None:
    async def main() -> int:
        async with asyncio.timeout(20), port(tmp_path) as connect:
            _, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
            sent = 0
            with suppress(ConnectionError):
                while sent < 32 << 20:
                    writer.write(b"X: y\r\n" * 10_000)
                    sent += 60_000
                    await writer.drain()
            writer.close()
            return sent

    assert asyncio.run(main()) < 8 << 20
