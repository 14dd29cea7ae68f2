"""The HTTP side of the server, spoken to byte by byte: keep-alive, bodies, streams, upgrades, and what is not HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from longboat.aio.clock import SystemClock, VirtualClock
from longboat.aio.http import connection as connections
from longboat.aio.http import sending
from longboat.aio.http.connection import MAX_HEAD
from longboat.aio.http.exchange import Socket
from longboat.aio.http.server import Server
from longboat.apiserver.filters.recover import refusal
from longboat.apiserver.request import Handler, Request, Response
from longboat.machinery.errors import StatusError

LIMIT = 1000


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body of the next answer (Content-Length or chunked)."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
        if "content-length" in headers:
            return status, headers, await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, b"".join([chunk async for chunk in self.chunks()])
        return status, headers, b""

    async def chunks(self) -> AsyncIterator[bytes]:
        while size := int(await self.reader.readline(), 16):
            yield await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)

    async def ended(self) -> bool:
        """Whether the server has hung up (what it still says is thrown away)."""
        with contextlib.suppress(ConnectionResetError):
            while await self.reader.read(65536):
                pass
        return True

    def close(self) -> None:
        self.writer.close()


async def echo(request: Request) -> Response:
    """Tells what it was asked; refuses as the chain would."""
    try:
        body = await request.read_body(LIMIT) if request.method in ("POST", "PUT") else b""
    except StatusError as error:
        return await refusal(error, request)
    found = {
        "method": request.method, "path": request.path, "query": dict(request.query), "body": body.decode(),
        "raw": request.raw_query, "x": request.header_values("x"),
    }  # fmt: skip
    return Response(200, msgspec.json.encode(found), headers={"Audit-Id": "1"})


@asynccontextmanager
async def serving(
    handler: Handler, clock: SystemClock | VirtualClock | None = None
) -> AsyncIterator[tuple[Server[Request], int]]:
    server = Server(Request.received, handler, None, clock)
    try:
        yield server, await server.listen("127.0.0.1", 0)
    finally:
        await server.close()


def talk(
    scene: Callable[[Client], Awaitable[None]], handler: Handler = echo, clock: SystemClock | VirtualClock | None = None
) -> None:
    """Play one client's part against a server."""

    async def main() -> None:
        async with serving(handler, clock) as (_, port), asyncio.timeout(20):
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            try:
                await scene(client)
            finally:
                client.close()

    asyncio.run(main())


def test_one_connection_carries_many_requests() -> None:
    async def scene(client: Client) -> None:
        for i in range(3):
            client.send(f"GET /a%20b/{i}?x=1&x=2&y HTTP/1.1\r\nHost: h\r\nX: a\r\nx: b,c\r\n\r\n")
            status, headers, body = await client.answer()
            assert (status, headers["content-type"], headers["audit-id"]) == (200, "application/json", "1")
            assert headers["date"].endswith("GMT")
            assert msgspec.json.decode(body) == {
                "method": "GET", "path": f"/a b/{i}", "query": {"x": ["1", "2"], "y": [""]}, "body": "",
                "raw": "x=1&x=2&y", "x": ["a", "b,c"],
            }  # fmt: skip

    talk(scene)


def test_requests_sent_ahead_are_answered_in_order() -> None:
    async def scene(client: Client) -> None:
        client.send("".join(f"GET /{i} HTTP/1.1\r\nHost: h\r\n\r\n" for i in range(10)))
        for i in range(10):
            assert msgspec.json.decode((await client.answer())[2])["path"] == f"/{i}"

    talk(scene)


def test_too_many_requests_sent_ahead_end_the_connection() -> None:
    async def scene(client: Client) -> None:
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 1000)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            while True:
                await client.answer()

    talk(scene)


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_request_may_come_in_pieces(piece: int) -> None:
    async def scene(client: Client) -> None:
        text = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
        for at in range(0, len(text), piece):
            client.send(text[at : at + piece])
            await asyncio.sleep(0.001)
        assert msgspec.json.decode((await client.answer())[2])["body"] == "hello"

    talk(scene)


def test_a_chunked_body_is_put_together() -> None:
    async def scene(client: Client) -> None:
        client.send("POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")
        assert msgspec.json.decode((await client.answer())[2])["body"] == "hello"

    talk(scene)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(chunked: bool) -> None:
    size = 50_000_000

    async def scene(client: Client) -> None:
        client.send("POST / HTTP/1.1\r\nHost: h\r\n")
        client.send("Transfer-Encoding: chunked\r\n\r\n" if chunked else f"Content-Length: {size}\r\n\r\n")
        if chunked:
            client.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        else:
            client.send(b"x" * 100_000)
        status, _, body = await client.answer()
        assert (status, msgspec.json.decode(body)["reason"]) == (413, "RequestEntityTooLarge")
        assert msgspec.json.decode(body)["message"] == f"Request entity too large: limit is {LIMIT}"

    talk(scene)


def test_what_is_left_of_a_small_body_does_not_end_the_connection() -> None:
    async def scene(client: Client) -> None:
        client.send("GET /first HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n")
        assert (await client.answer())[0] == 200  # before the body has come
        client.send(b"x" * 10000 + b"GET /second HTTP/1.1\r\nHost: h\r\n\r\n")
        assert msgspec.json.decode((await client.answer())[2])["path"] == "/second"

    talk(scene)


def test_a_client_that_asks_is_told_to_go_on() -> None:
    async def scene(client: Client) -> None:
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send("hello")
        assert msgspec.json.decode((await client.answer())[2])["body"] == "hello"

    talk(scene)


def test_a_body_nobody_reads_is_not_taken_in() -> None:
    """A client that sends on and on while its handler thinks is held back by TCP."""
    thinking = asyncio.Event()

    async def think(request: Request) -> Response:
        await thinking.wait()
        return Response(200, str(len(await request.read_body(1 << 30))).encode())

    async def scene(client: Client) -> None:
        size = 100 << 20
        client.send(f"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n")
        client.writer.write(bytes(size))
        await asyncio.sleep(0.3)
        assert client.writer.transport.get_write_buffer_size() > size // 2
        thinking.set()
        assert (await client.answer())[2] == str(size).encode()

    talk(scene, think)


def test_a_body_that_breaks_off_is_a_bad_request_and_no_accident() -> None:
    seen: asyncio.Queue[StatusError] = asyncio.Queue()

    async def read(request: Request) -> Response:
        try:
            await request.read_body(LIMIT)
        except StatusError as error:
            seen.put_nowait(error)
        return Response()

    async def scene(client: Client) -> None:
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\nhello")
        await asyncio.sleep(0.05)
        client.close()
        error = await seen.get()
        assert (error.code, error.message) == (400, "unexpected EOF")

    talk(scene, read)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHo st: h\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\nHost: h\n\n\x00",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
    ],
)
def test_what_is_not_http_is_told_so(garbage: bytes) -> None:
    async def scene(client: Client) -> None:
        client.send(garbage)
        head = await client.reader.read(65536)
        assert head.startswith(b"HTTP/1.1 400 ") and b"Traceback" not in head
        assert await client.ended()

    talk(scene)


@pytest.mark.parametrize(
    "text", ["GET /" + "a" * 2 * MAX_HEAD, "GET / HTTP/1.1\r\nHost: h\r\nX: " + "a" * 2 * MAX_HEAD]
)
def test_an_endless_head_is_refused(text: str) -> None:
    async def scene(client: Client) -> None:
        client.send(text)
        assert (await client.answer())[0] == 431
        assert await client.ended()

    talk(scene)


def test_who_does_not_finish_a_head_or_stays_idle_is_hung_up_on() -> None:
    for first, patience in (("GET / HT", connections.HEAD_TIME), ("", connections.IDLE_TIME)):
        clock = VirtualClock()

        async def scene(
            client: Client, first: str = first, patience: float = patience, clock: VirtualClock = clock
        ) -> None:
            client.send(first)
            await asyncio.sleep(0.05)
            await clock.advance(patience - 1)
            assert not client.reader.at_eof()
            await clock.advance(10)
            assert await client.ended()

        talk(scene, clock=clock)


@pytest.mark.parametrize(
    ("line", "kept"),
    [("HTTP/1.1\r\nHost: h", True), ("HTTP/1.1\r\nHost: h\r\nConnection: close", False), ("HTTP/1.0", False),
     ("HTTP/1.0\r\nConnection: keep-alive", True)],
)  # fmt: skip
def test_a_connection_is_kept_as_long_as_both_want(line: str, kept: bool) -> None:
    async def scene(client: Client) -> None:
        client.send(f"GET / {line}\r\n\r\n")
        _, headers, _ = await client.answer()
        assert (headers.get("connection") != "close") == kept
        if not kept:
            assert await client.ended()

    talk(scene)


def test_head_has_the_length_and_no_body() -> None:
    async def scene(client: Client) -> None:
        client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: " in head and b"Content-Length: 0" not in head
        assert (await client.reader.readline()).startswith(b"HTTP/1.1 200")

    talk(scene)


def test_each_warning_is_a_header_of_its_own() -> None:
    async def warned(request: Request) -> Response:
        return Response(200, b"{}", warnings=['299 - "a"', '299 - "b"'])

    async def scene(client: Client) -> None:
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b'\r\nWarning: 299 - "a"\r\nWarning: 299 - "b"\r\n' in head

    talk(scene, warned)


def test_no_value_starts_another_header() -> None:
    async def injected(request: Request) -> Response:
        return Response(200, b"{}", headers={"Warning": "a\r\nSet-Cookie: b\nX: c"})

    async def scene(client: Client) -> None:
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        _, headers, _ = await client.answer()
        assert headers["warning"] == "a  Set-Cookie: b X: c"
        assert "set-cookie" not in headers and "x" not in headers

    talk(scene, injected)


class Ticking:
    """A stream that says when it has been closed."""

    def __init__(self, chunk: bytes = b"tick\n", pause: float = 0.01) -> None:
        self.chunk, self.pause = chunk, pause
        self.sent = 0
        self.closed = asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield self.chunk
                self.sent += 1
                await asyncio.sleep(self.pause)
        finally:
            self.closed.set()

    async def handle(self, request: Request) -> Response:
        return Response(200, stream=self.chunks())


def test_a_stream_comes_in_chunks_and_ends_when_the_client_goes() -> None:
    ticking = Ticking()

    async def scene(client: Client) -> None:
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        chunks = client.chunks()
        assert [await anext(chunks) for _ in range(3)] == [b"tick\n"] * 3
        client.close()
        await ticking.closed.wait()

    talk(scene, ticking.handle)


def test_a_stream_that_ends_leaves_the_connection_usable() -> None:
    async def three(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            for part in (b"a", b"", b"b"):
                yield part

        return Response(200, stream=chunks())

    async def scene(client: Client) -> None:
        for _ in range(2):
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await client.answer())[2] == b"ab"

    talk(scene, three)


def test_a_stream_that_fails_has_no_proper_end(caplog: pytest.LogCaptureFixture) -> None:
    async def failing(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"a"
            raise RuntimeError("boom")

        return Response(200, stream=chunks())

    async def scene(client: Client) -> None:
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError, ValueError)):
            await client.answer()

    talk(scene, failing)
    assert "boom" in caplog.text


def test_a_stream_waits_for_a_client_that_does_not_read() -> None:
    ticking = Ticking(bytes(1 << 20), 0)

    async def scene(client: Client) -> None:
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.sleep(0.5)
        assert ticking.sent < 20  # megabytes: what the kernel's buffers and ours hold
        client.writer.transport.abort()
        await ticking.closed.wait()

    talk(scene, ticking.handle)


@pytest.mark.parametrize("whole", [True, False], ids=["a long answer", "a stream"])
def test_who_takes_nothing_for_a_minute_is_hung_up_on(whole: bool) -> None:
    clock, ticking = VirtualClock(), Ticking(bytes(1 << 20), 0)

    async def handle(request: Request) -> Response:
        return Response(200, bytes(64 << 20)) if whole else await ticking.handle(request)

    async def main() -> None:
        async with serving(handle, clock) as (server, port), asyncio.timeout(20):
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert await client.reader.read(1) == b"H"
            if whole:
                assert server.unsent.total == 64 << 20
            while server._connections:
                await clock.advance(sending.STALLED)
                await asyncio.sleep(0)
            assert (server.unsent.total, server.unread.total) == (0, 0)
            client.close()

    asyncio.run(main())


def test_closing_ends_streams_properly_and_lets_answers_out() -> None:
    ticking, release = Ticking(), asyncio.Event()

    async def handle(request: Request) -> Response:
        if request.path == "/slow":
            await release.wait()
            return Response(200, b"done")
        return await ticking.handle(request)

    async def main() -> None:
        server = Server(Request.received, handle, None)
        port = await server.listen("127.0.0.1", 0)
        stream, slow, idle = [Client(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(3)]
        stream.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        slow.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        await stream.reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(server.close())
        assert b"".join([chunk async for chunk in stream.chunks()]).startswith(b"tick")
        assert await stream.ended() and await idle.ended()
        release.set()
        _, headers, body = await slow.answer()
        assert (headers["connection"], body) == ("close", b"done")
        await closing
        for client in (stream, slow, idle):
            client.close()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_an_upgraded_connection_is_raw_and_never_http_again() -> None:
    async def handle(request: Request) -> Response:
        async def shout(socket: Socket) -> None:
            while data := await socket.read():
                await socket.write(data.upper())

        return Response(101, headers={"Upgrade": "shout", "Connection": "Upgrade"}, upgrade=shout)

    async def scene(client: Client) -> None:
        client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nearly ")
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head == b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: shout\r\nConnection: Upgrade\r\n\r\n"
        client.send("GET / HTTP/1.1\r\n\r\n")
        assert await client.reader.readexactly(24) == b"EARLY GET / HTTP/1.1\r\n\r\n"
        client.writer.write_eof()
        assert await client.ended()

    talk(scene, handle)


def test_a_refused_upgrade_ends_the_connection() -> None:
    """Whatever is sent behind it is not taken for a request (security lesson 1)."""
    asked: list[str] = []

    async def handle(request: Request) -> Response:
        asked.append(request.path)
        return Response(403, b"{}")

    async def scene(client: Client) -> None:
        client.send("GET /exec HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        client.send("GET /secret HTTP/1.1\r\nHost: h\r\n\r\n")
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (403, "close")
        assert await client.ended()
        assert asked == ["/exec"]

    talk(scene, handle)
