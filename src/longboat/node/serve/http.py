"""A small HTTPS server over asyncio streams. Its only clients hold a certificate of the cluster's authority."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, unquote

import msgspec

from longboat.aio import tls as strong
from longboat.aio.clock import Clock
from longboat.aio.http1 import MAX_HEAD, BadMessage, RequestHead, encode_response, read_body, read_request
from longboat.node.streams.pipe import Pipe, SocketPipe

log = logging.getLogger(__name__)
MAX_BODY = 1 << 20  # bytes: nothing here takes more
MAX_CONNECTIONS = 1000
IDLE = 90.0  # seconds a connection may wait for its next request, and a body take to come
STALLED = 60.0  # seconds a client may take none of what it is sent
HANDSHAKE = 10.0


class Caller(msgspec.Struct, frozen=True):
    """Who the client's certificate says it is."""

    name: str
    groups: tuple[str, ...] = ()


class Request(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    path: str  # unquoted
    query: dict[str, list[str]]
    head: RequestHead
    caller: Caller
    body: bytes = b""  # none of one that asks for an upgrade

    def arg(self, name: str, default: str = "") -> str:
        values = self.query.get(name)
        return values[0] if values else default

    def flag(self, name: str) -> bool:
        """true, 1 or t, as Go reads booleans."""
        return self.arg(name).lower() in ("1", "t", "true")


class Answer(msgspec.Struct, kw_only=True):
    """A whole answer, one that streams, or (`upgrade`) a connection that leaves HTTP behind."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: list[tuple[str, str]] = []
    stream: AsyncIterator[bytes] | None = None
    upgrade: Callable[[Pipe], Awaitable[None]] | None = None


class HttpError(Exception):
    """Becomes an answer with this text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


Handler = Callable[[Request], Awaitable[Answer]]


def tls(certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    """Clients without a certificate of the authority do not get past the handshake."""
    context = strong.serving()
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    return context


class Server:
    def __init__(self, handler: Handler, context: ssl.SSLContext, clock: Clock) -> None:
        self._handler, self._context, self._clock = handler, context, clock
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> int:
        """Returns the port. Raises OSError."""
        self._server = await asyncio.start_server(
            self._accept, host, port, ssl=self._context, limit=MAX_HEAD, ssl_handshake_timeout=HANDSHAKE
        )
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer), name="node-port")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            caller = _caller(writer)
            while await self._one(reader, writer, caller):
                pass
        except (OSError, BadMessage, TimeoutError) as error:
            log.debug("connection to the node's port: %s", error)
        except Exception:
            log.exception("a request to the node's port failed")
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: Caller) -> bool:
        """Serve one request. True if the connection can be used for another."""
        async with self._clock.timeout(IDLE):
            head = await read_request(reader)
        if head is None:
            return False
        if (refused := head.refused()) is not None:
            await self._send(writer, Answer(status=refused.status, body=refused.text.encode()), False, keep=False)
            return False
        async with self._clock.timeout(IDLE):
            body = b"" if "upgrade" in head.headers else await read_body(reader, head, MAX_BODY + 1)
        if len(body) > MAX_BODY:  # what is left of it must not be taken for a request
            answer = Answer(status=413, body=f"the body has more than {MAX_BODY} bytes".encode())
            await self._send(writer, answer, False, keep=False)
            return False
        request = _request(head, caller, body)
        try:
            answer = await self._handler(request)
        except HttpError as error:
            answer = Answer(status=error.status, body=error.text.encode())
        if answer.upgrade is not None:
            writer.write(encode_response(101, "Switching Protocols", answer.headers))
            pipe = SocketPipe(reader, writer)
            await answer.upgrade(pipe)
            await pipe.close()
            return False
        keep = not head.headers.has_token("connection", "close") and "upgrade" not in head.headers
        await self._send(writer, answer, head.method == "HEAD", keep)
        return keep

    async def _send(self, writer: asyncio.StreamWriter, answer: Answer, to_head: bool, keep: bool) -> None:
        headers = [("Content-Type", answer.content_type), *answer.headers]
        if not keep:
            headers.append(("Connection", "close"))
        phrase = HTTPStatus(answer.status).phrase
        if answer.stream is None:
            headers.append(("Content-Length", str(len(answer.body))))
            writer.write(encode_response(answer.status, phrase, headers) + (b"" if to_head else answer.body))
            await self._drain(writer)
            return
        writer.write(encode_response(answer.status, phrase, [*headers, ("Transfer-Encoding", "chunked")]))
        try:
            if to_head:
                return
            async for chunk in answer.stream:
                if chunk:
                    writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                    await self._drain(writer)
            writer.write(b"0\r\n\r\n")
            await self._drain(writer)
        finally:
            if (close := getattr(answer.stream, "aclose", None)) is not None:
                with suppress(RuntimeError):  # it is being closed already, by its own cancellation
                    await close()

    async def _drain(self, writer: asyncio.StreamWriter) -> None:
        async with self._clock.timeout(STALLED):
            await writer.drain()


def _request(head: RequestHead, caller: Caller, body: bytes) -> Request:
    path, _, query = head.target.partition("?")
    return Request(
        method=head.method, path=unquote(path), query=parse_qs(query, keep_blank_values=True), head=head,
        caller=caller, body=body,
    )  # fmt: skip


def _caller(writer: asyncio.StreamWriter) -> Caller:
    """Raises BadMessage."""
    certificate = writer.get_extra_info("peercert") or {}
    subject = [pair for parts in certificate.get("subject", ()) for pair in parts]
    names = [value for key, value in subject if key == "commonName"]
    if len(names) > 1:
        raise BadMessage("the client's certificate names several users")
    return Caller(names[0] if names else "", tuple(value for key, value in subject if key == "organizationName"))
