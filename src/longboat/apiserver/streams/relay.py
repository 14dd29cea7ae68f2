"""Passing requests on: whole ones, streams, and upgraded connections byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from http import HTTPStatus
from urllib.parse import quote

from longboat.aio.http import client as http1
from longboat.aio.http.client import BadMessage, ResponseHead
from longboat.aio.http.exchange import Socket
from longboat.aio.http.kept import Connection
from longboat.aio.tasks import Tasks
from longboat.apiserver.request import Request, Response
from longboat.apiserver.streams.nodes import unreachable
from longboat.machinery.errors import StatusError, bad_request

CHUNK = 64 << 10
MAX_ERROR = 4 << 10  # bytes of a refusal that are read
# These describe a connection, not a message (RFC 9110, section 7.6.1); so does whatever Connection names.
HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade")
)  # fmt: skip
# Credentials are for this server alone; the rest is said anew for the backend.
NOT_PASSED_ON = HOP_BY_HOP | {
    "authorization", "content-length", "cookie", "expect", "host", "x-forwarded-for", "x-forwarded-uri",
}  # fmt: skip
# A backend must not open this server's origin to other sites' scripts (upstream's corsRemovingTransport).
NOT_PASSED_BACK = HOP_BY_HOP | {
    "content-length", "content-type", "access-control-allow-credentials", "access-control-allow-headers",
    "access-control-allow-methods", "access-control-allow-origin",
}  # fmt: skip
IDENTITY = ("x-remote-", "impersonate-")  # says who somebody is to a server that trusts us (security lesson 3)
PATH = "/:@!$&'()*+,;=~"  # what needs no quoting in a path (RFC 3986, section 3.3)
UPGRADE_HEADERS = ("sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol", "x-stream-protocol-version")


class Unanswered(StatusError):
    """The backend closed the connection without a word."""


def wants_upgrade(request: Request) -> bool:
    tokens = [token.strip().lower() for token in request.headers.get("connection", "").split(",")]
    return "upgrade" in tokens and bool(request.headers.get("upgrade"))


async def upgrade(
    request: Request, connection: Connection, host: str, target: str, said: Iterable[tuple[str, str]] = ()
) -> Response:
    """Ask the backend for the upgrade the client asks for. If it agrees, nothing but bytes follows; if it does not,
    the connection is closed and never used again (security lesson 1). `said`: headers of ours. Raises StatusError."""
    reader, writer = connection
    headers = [("Host", host), ("Connection", "Upgrade"), ("Upgrade", request.headers["upgrade"])]
    headers += [("X-Forwarded-For", forwarded_for(request)), *said]
    for name in UPGRADE_HEADERS:
        headers += [(name, _without_token(value)) for value in request.header_values(name) if _without_token(value)]
    try:
        writer.write(http1.encode_request(request.method, target, headers))
        await writer.drain()
        head = await http1.read_response(reader, request.method)
        if head.status != HTTPStatus.SWITCHING_PROTOCOLS:
            try:
                return await _not_upgraded(reader, head)
            finally:
                writer.close()
    except BaseException as error:
        writer.close()  # whatever it is, the client's going among it
        if isinstance(error, (BadMessage, OSError)):
            raise unreachable(f"error dialing backend: {error}") from error
        raise
    passed = {name.title(): value for name, value in head.headers.items() if name != "content-length"}

    async def relay(socket: Socket) -> None:
        await both_ways(socket, reader, writer)

    return Response(101, headers=passed, upgrade=relay, ends=[writer.close])


async def _not_upgraded(reader: asyncio.StreamReader, head: ResponseHead) -> Response:
    """A refusal is the backend's own, as upstream passes it on. Raises StatusError, BadMessage, OSError."""
    if head.status < HTTPStatus.BAD_REQUEST:
        raise unreachable(f"invalid upgrade response: status code {head.status}")
    said = await http1.read_body(reader, head, MAX_ERROR)
    return Response(head.status, said, head.headers.get("content-type", "text/plain; charset=utf-8"))


def _without_token(value: str) -> str:
    """WebSocket clients in browsers carry their token among the protocols: it is not the backend's business."""
    offered = [part.strip() for part in value.split(",")]
    return ", ".join(part for part in offered if not part.startswith("base64url.bearer.authorization.k8s.io."))


async def both_ways(socket: Socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes until either side ends."""

    async def outward() -> None:
        while data := await socket.read():
            writer.write(data)
            await writer.drain()

    async def inward() -> None:
        while data := await reader.read(CHUNK):
            await socket.write(data)

    async with Tasks("relay") as tasks:
        ways = [tasks.spawn("outward", _quietly(outward)), tasks.spawn("inward", _quietly(inward))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            writer.close()


async def _quietly(way: object) -> None:
    """A peer that goes away is how most streams end."""
    try:
        await way()  # type: ignore[operator]
    except OSError:
        return


async def fetch(connection: Connection, host: str, target: str) -> Response:
    """GET, the answer streamed. Raises StatusError with the backend's own words for a refusal."""
    reader, writer = connection
    try:
        writer.write(http1.encode_request("GET", target, [("Host", host), ("Connection", "close")]))
        await writer.drain()
        head = await http1.read_response(reader)
        if head.status >= HTTPStatus.BAD_REQUEST:
            raise await refusal(reader, head)
    except BaseException as error:
        writer.close()
        if isinstance(error, (BadMessage, OSError)):
            raise unreachable(str(error)) from error
        raise
    way = _Way(connection, None, None)
    return Response(head.status, content_type="text/plain", stream=way.stream(head), ends=[way.end])


def forwarded_for(request: Request) -> str:
    """Who it came from and through whom, the last of them last: what we know ourselves stands at the end."""
    return ", ".join((*request.header_values("x-forwarded-for"), request.remote))


def named_by(connection: Iterable[str]) -> frozenset[str]:
    """The headers that Connection says are for this connection alone."""
    return frozenset(token.strip().lower() for value in connection for token in value.split(","))


async def forward(
    request: Request, connection: Connection, host: str, target: str, body: bytes | AsyncIterator[bytes],
    said: Iterable[tuple[str, str]] = (), keep: Callable[[Connection], None] | None = None,
) -> Response:  # fmt: skip
    """The whole request to an HTTP server behind us, its answer streamed back as it is: redirects too. A body that
    comes in pieces is passed on as it comes. `said`: headers of ours. `keep` is given the connection where another
    request may follow; otherwise it is closed. Raises StatusError, of it Unanswered."""
    reader, writer = connection
    headers = [*_passed_on(request, host, keeps=keep is not None), *said]
    framed = False
    if not isinstance(body, bytes) and (length := request.headers.get("content-length", "")):
        headers.append(("Content-Length", length))
    elif not isinstance(body, bytes):
        framed = True
        headers.append(("Transfer-Encoding", "chunked"))
    elif body or request.method in ("POST", "PUT", "PATCH"):
        headers.append(("Content-Length", str(len(body))))
    sending: asyncio.Future[None] | None = None
    try:
        writer.write(http1.encode_request(request.method, target, headers))
        if isinstance(body, bytes):
            writer.write(body)
            await writer.drain()
        else:
            sending = asyncio.ensure_future(_send(writer, body, framed))
            sending.add_done_callback(lambda task: task.cancelled() or task.exception())
        head = await http1.read_response(reader, request.method)
    except BaseException as error:
        writer.close()
        if sending is not None:
            sending.cancel()
        if isinstance(error, (BadMessage, OSError, ValueError)):
            kind = Unanswered if isinstance(error, ConnectionError) else StatusError
            raise kind(503, "ServiceUnavailable", f"error trying to reach service: {error}") from error
        raise
    hidden = NOT_PASSED_BACK | named_by((head.headers.get("connection", ""),))
    passed = {name.title(): value for name, value in head.headers.items() if name not in hidden}
    content_type = head.headers.get("content-type", "application/octet-stream")
    way = _Way(connection, sending, keep if http1.stays_open(head) else None)
    return Response(head.status, content_type=content_type, headers=passed, stream=way.stream(head), ends=[way.end])


class _Way:
    """To a backend that answers: kept, or closed, once."""

    def __init__(
        self, connection: Connection, sending: asyncio.Future[None] | None, keep: Callable[[Connection], None] | None
    ) -> None:
        self._connection, self._sending, self._keep = connection, sending, keep
        self._over = False

    async def stream(self, head: ResponseHead) -> AsyncIterator[bytes]:
        """What is left of the answer."""
        whole = False
        try:
            async for chunk in http1.iterate_body(self._connection[0], head):
                yield chunk
            whole = True
        except (BadMessage, OSError):
            return  # the backend broke off: so does the answer
        finally:
            self.end(whole=whole)

    def end(self, *, whole: bool = False) -> None:
        if self._over:
            return
        self._over = True
        if whole and self._keep is not None and _is_through(self._sending):
            self._keep(self._connection)
            return
        self._connection[1].close()
        if self._sending is not None:
            self._sending.cancel()


def _is_through(sending: asyncio.Future[None] | None) -> bool:
    """Whether the body has been sent, all of it."""
    return sending is None or (sending.done() and not sending.cancelled() and sending.exception() is None)


def _passed_on(request: Request, host: str, *, keeps: bool) -> list[tuple[str, str]]:
    """What a backend is told of the request's head. Who somebody is, it is not told by the client: a server may take
    an underscore for a dash."""
    hidden = NOT_PASSED_ON | named_by(request.header_values("connection"))
    return [
        ("Host", host), *(() if keeps else (("Connection", "close"),)), ("X-Forwarded-For", forwarded_for(request)),
        ("X-Forwarded-Uri", quote(request.path, safe=PATH)),
        *(
            (name, value)
            for name in request.headers
            if name not in hidden and not name.replace("_", "-").startswith(IDENTITY)
            for value in request.header_values(name)
        ),
    ]  # fmt: skip


async def _send(writer: asyncio.StreamWriter, body: AsyncIterator[bytes], framed: bool) -> None:
    """A body that breaks off breaks the connection off, so that nobody takes it for whole. `framed`: in chunks."""
    whole = False
    try:
        async for piece in body:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if framed else piece)
            await writer.drain()
        if framed:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        whole = True
    finally:
        if not whole:
            writer.transport.abort()


async def refusal(reader: asyncio.StreamReader, head: ResponseHead) -> StatusError:
    """What a backend says when it refuses, as the client is told."""
    said = (await http1.read_body(reader, head, MAX_ERROR)).decode("utf-8", "replace").strip()
    if head.status == HTTPStatus.BAD_REQUEST:
        return bad_request(said)
    if head.status == HTTPStatus.NOT_FOUND:
        return StatusError(404, "NotFound", said or "the server could not find the requested resource")
    return unreachable(said or f"unexpected status code {head.status}")
