"""HTTP/1.1 as a client, over asyncio streams: short exchanges with peers on the cluster's machines. Strict, bounded.

Heads are parsed by pure functions; bodies come whole, up to a limit, or chunk by chunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

MAX_HEAD = 64 << 10  # bytes
MAX_EXCESS = 16 << 10  # bytes of a chunked body that are no data: extensions, trailers (net/http, chunkedReader)
A_CHUNK = 16  # bytes that each chunk may take besides its data, and twice those of its data
MAX_INTERIM = 5  # answers before the answer (net/http, max1xxResponses)
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class BadMessage(Exception):
    """The peer does not speak HTTP/1.1, or says too much."""


class Headers(dict[str, str]):
    """By lower-case name; the values of a repeated one are joined by commas."""

    def add(self, name: str, value: str) -> None:
        self[name] = f"{self[name]}, {value}" if name in self else value


@dataclass(frozen=True, slots=True)
class ResponseHead:
    status: int
    reason: str
    headers: Headers
    to_head: bool = False  # answers a HEAD request: no body follows
    version: str = "HTTP/1.1"


def parse_response(data: bytes) -> ResponseHead:
    """A status line and headers. Raises BadMessage."""
    first, headers = _parse(data)
    version, _, rest = first.partition(" ")
    code, _, reason = rest.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or len(code) != 3 or not code.isdigit():
        raise BadMessage("malformed HTTP response")
    return ResponseHead(int(code), reason, headers, version=version)


def stays_open(head: ResponseHead) -> bool:
    """Whether another request may follow on the connection once the body has been read (RFC 9112, section 9.3)."""
    options = {option.strip().lower() for option in head.headers.get("connection", "").split(",")}
    bounded = head.status in (204, 304) or not {"content-length", "transfer-encoding"}.isdisjoint(head.headers)
    return bounded and "close" not in options and (head.version == "HTTP/1.1" or "keep-alive" in options)


def _parse(data: bytes) -> tuple[str, Headers]:
    first, *lines = data.split(b"\r\n")
    headers = Headers()
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or not _TOKEN.issuperset(name) or b"\0" in value or b"\n" in value or b"\r" in value:
            raise BadMessage("malformed header")
        headers.add(name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1"))
    return first.decode("latin-1"), headers


def encode_request(method: str, target: str, headers: list[tuple[str, str]]) -> bytes:
    """Raises ValueError for what would break out of its line."""
    first = f"{method} {target} HTTP/1.1"
    for text in (first, *(part for header in headers for part in header)):
        if "\r" in text or "\n" in text:
            raise ValueError("a line break in a header")
    return "\r\n".join([first, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1", "replace")


async def read_response(reader: asyncio.StreamReader, method: str = "GET") -> ResponseHead:
    """Skips interim answers other than 101. Raises BadMessage and OSError."""
    for _ in range(MAX_INTERIM + 1):
        head = await _head(reader)
        if head is None:
            raise ConnectionResetError("the connection was closed before an answer came")
        found = parse_response(head)
        if found.status >= 200 or found.status == 101:
            return replace(found, to_head=method == "HEAD")
    raise BadMessage("too many 1xx informational responses")


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return (await reader.readuntil(b"\r\n\r\n"))[:-4]
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise BadMessage("the connection was closed in the middle of a message") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise BadMessage("the headers are too long") from error


async def read_body(reader: asyncio.StreamReader, head: ResponseHead, limit: int) -> bytes:
    """The body, cut off at `limit` bytes. Raises BadMessage and OSError."""
    body = bytearray()
    async for chunk in iterate_body(reader, head):
        body += chunk
        if len(body) >= limit:
            break
    return bytes(body[:limit])


async def iterate_body(reader: asyncio.StreamReader, head: ResponseHead) -> AsyncIterator[bytes]:
    """The body in pieces (RFC 9112, section 6). Raises BadMessage and OSError."""
    if head.to_head or head.status in (101, 204, 304):
        return
    coding, length = head.headers.get("transfer-encoding"), head.headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise BadMessage("the length of the body is not clear")
        async for chunk in _chunks(reader):
            yield chunk
    elif length is not None:
        if not length.isascii() or not length.isdigit():
            raise BadMessage("the length of the body is not a number")
        left = int(length)
        while left:
            data = await reader.read(min(left, 64 << 10))
            if not data:
                raise BadMessage("the connection was closed in the middle of a body")
            left -= len(data)
            yield data
    else:
        while data := await reader.read(64 << 10):
            yield data


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    excess = 0
    try:
        while True:
            line = await reader.readuntil(b"\r\n")
            excess += len(line)
            size = line.split(b";")[0].strip()
            if not size or len(size) > 8 or not all(c in b"0123456789abcdefABCDEF" for c in size):
                raise BadMessage("a chunk's size is not a number")
            left = int(size, 16)
            if left == 0:
                break
            excess = _within(max(0, excess - A_CHUNK - 2 * left))
            while left:
                data = await reader.read(min(left, 64 << 10))
                if not data:
                    raise BadMessage("the connection was closed in the middle of a chunk")
                left -= len(data)
                yield data
            if await reader.readexactly(2) != b"\r\n":
                raise BadMessage("a chunk does not end where it says")
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":  # trailers: nobody here asked for any
            excess = _within(excess + len(line))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise BadMessage("malformed chunk") from error


def _within(excess: int) -> int:
    if excess > MAX_EXCESS:
        raise BadMessage("chunked encoding contains too much non-data")
    return excess
