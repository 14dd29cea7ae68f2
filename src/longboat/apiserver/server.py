"""HTTP and TLS. The only module that knows which library serves them."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, unquote

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from longboat.apiserver.pki import Pair
from longboat.apiserver.request import Handler, Request, Response
from longboat.machinery.errors import too_large

log = logging.getLogger(__name__)

MAX_HEADER = 64 << 10
DRAIN = 5.0  # seconds connections get to finish at shutdown
_NO_QUERY: Mapping[str, list[str]] = {}


def tls(serving: Pair, client_authorities: Iterable[Path]) -> ssl.SSLContext:
    """A context that asks for client certificates and checks them against any of the authorities.

    Which authority signed is for authentication to tell: the client CA and the front-proxy CA are different roots.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(serving.certificate, serving.key)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    for authority in client_authorities:
        context.load_verify_locations(authority)
    return context


class Server:
    """Serves one handler on any number of addresses."""

    def __init__(self, handler: Handler, context: ssl.SSLContext | None) -> None:
        self._handler = handler
        self._context = context
        self._web = web.Server(
            self._serve, access_log=None, max_line_size=MAX_HEADER, max_field_size=MAX_HEADER, max_headers=256,
            keepalive_timeout=90, auto_decompress=True,
        )  # fmt: skip
        self._listeners: list[asyncio.Server] = []

    async def listen(self, host: str, port: int) -> int:
        """Returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(self._web, host, port, ssl=self._context, backlog=1024)
        self._listeners.append(listener)
        found: int = listener.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        for listener in self._listeners:
            listener.close()
        await self._web.shutdown(DRAIN)

    async def _serve(self, incoming: web.BaseRequest) -> web.StreamResponse:
        request = _request(incoming)
        response = await self._handler(request)
        if response.upgrade is not None:
            return await _upgrade(incoming, response)
        if response.stream is not None:
            return await _stream(incoming, response)
        outgoing = web.Response(
            status=response.status, body=response.body, headers=response.headers, content_type=None,
        )  # fmt: skip
        outgoing.headers["Content-Type"] = response.content_type
        return outgoing


def _request(incoming: web.BaseRequest) -> Request:
    raw, _, query = incoming.raw_path.partition("?")
    path = unquote(raw) if "%" in raw else raw

    async def read_body(limit: int) -> bytes:
        length = incoming.content_length
        if length is not None and length > limit:
            raise too_large(f"Request entity too large: limit is {limit}")
        if length == 0 or not incoming.body_exists:
            return b""
        body = bytearray()
        async for chunk in incoming.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise too_large(f"Request entity too large: limit is {limit}")
        return bytes(body)

    return Request(
        incoming.method,
        path,
        parse_qs(query, keep_blank_values=True) if query else _NO_QUERY,
        incoming.headers,
        read_body,
        remote=incoming.remote or "",
        peer_certificate=_certificate(incoming),
        raw_query=query,
    )


def _certificate(incoming: web.BaseRequest) -> bytes | None:
    """The client's certificate; fetched once per connection."""
    protocol = incoming.protocol
    known: bytes | str | None = getattr(protocol, "peer_der", "unknown")
    if known == "unknown":
        tls_object = incoming.get_extra_info("ssl_object")
        known = tls_object.getpeercert(binary_form=True) if tls_object is not None else None
        protocol.peer_der = known  # type: ignore[attr-defined]
    return known  # type: ignore[return-value]


async def _stream(incoming: web.BaseRequest, response: Response) -> web.StreamResponse:
    assert response.stream is not None
    outgoing = web.StreamResponse(status=response.status, headers=response.headers)
    outgoing.headers["Content-Type"] = response.content_type
    outgoing.enable_chunked_encoding()
    await outgoing.prepare(incoming)
    chunks = response.stream
    try:
        async for chunk in chunks:
            await outgoing.write(chunk)
        await outgoing.write_eof()
    except (ConnectionResetError, ConnectionError):
        log.debug("client of %s went away", incoming.raw_path)
    finally:
        if hasattr(chunks, "aclose"):
            await chunks.aclose()
    return outgoing


class RawSocket:
    """An upgraded connection: bytes in, bytes out. Reads are bounded by pausing the transport."""

    LIMIT = 1 << 20

    def __init__(self, incoming: web.BaseRequest) -> None:
        transport = incoming.transport
        assert transport is not None
        self._transport: asyncio.Transport = transport
        self._protocol = incoming.protocol
        self._buffer = bytearray()
        self._ended = False
        self._paused = False
        self._ready = asyncio.Event()

    # What aiohttp calls, in place of its HTTP parser.
    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._buffer += data
        if len(self._buffer) > self.LIMIT and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._ready.set()
        return False, b""

    def feed_eof(self) -> None:
        self._ended = True
        self._ready.set()

    def set_exception(self, *_: object) -> None:
        self.feed_eof()

    async def read(self) -> bytes:
        while not self._buffer and not self._ended:
            self._ready.clear()
            await self._ready.wait()
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        if self._transport.is_closing():
            raise ConnectionResetError("the client went away")
        self._transport.write(data)
        await self._protocol._drain_helper()

    async def close(self) -> None:
        self._transport.close()


class _Taken(web.StreamResponse):
    """Tells aiohttp that the connection has had its answer and is not to be used again."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


async def _upgrade(incoming: web.BaseRequest, response: Response) -> web.StreamResponse:
    """Send the 101 and give the connection to the handler; it is never used for HTTP again (security lesson 1)."""
    assert response.upgrade is not None and incoming.transport is not None
    head = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    socket = RawSocket(incoming)
    incoming.transport.write(f"HTTP/1.1 101 Switching Protocols\r\n{head}\r\n".encode())
    incoming.protocol.set_parser(socket)  # type: ignore[arg-type] # it asks for feed_data and feed_eof only
    incoming.protocol.keep_alive(False)
    try:
        await response.upgrade(socket)
    except ConnectionError:
        log.debug("upgraded connection of %s broke", incoming.raw_path)
    finally:
        await socket.close()
    return _Taken()
