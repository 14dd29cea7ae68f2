"""SPDY/3.1 frames (the draft of 2013), as far as kubectl, the kubelet's peers and containerd speak it.

Windows: the peers of this protocol today (moby/spdystream) neither keep nor update them, so data is limited by TCP
alone; updates are read and passed over.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN, UNIDIRECTIONAL = 0x01, 0x02
MAX_FRAME = 16 << 20  # bytes: what a length field can say
MAX_HEADERS = 256 << 10  # bytes of headers after decompression
MAX_DATA = 1 << 15  # bytes of data we put into one frame

_WORDS = [
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
    "200_OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
]
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
# Both sides' compressors start from this text (SPDY/3, section 2.6.10.1).
DICTIONARY = (
    b"".join(struct.pack(">I", len(word)) + word.replace("_", " ").encode() for word in _WORDS) + _TAIL.encode()
)

Headers = Mapping[str, str]


class SpdyError(Exception):
    """The peer broke the protocol: the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class Opened:
    """SYN_STREAM."""

    stream: int
    headers: Headers
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Replied:
    """SYN_REPLY."""

    stream: int
    headers: Headers
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Pinged:
    id: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    last_stream: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class MoreHeaders:
    """HEADERS."""

    stream: int
    headers: Headers
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    stream: int
    delta: int


Event = Opened | Replied | Data | Reset | Pinged | GoneAway | MoreHeaders | Window
HasHeaders = Opened | Replied | MoreHeaders
_WITH_HEADERS: dict[type[HasHeaders], int] = {Opened: SYN_STREAM, Replied: SYN_REPLY, MoreHeaders: HEADERS}


class Codec:
    """Both directions of one connection: header compression has a state for each."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def encode(self, event: Event) -> bytes:
        """The frame of an event. Data longer than MAX_DATA becomes several."""
        match event:
            case Data():
                return b"".join(_data_frames(event))
            case Opened() | Replied() | MoreHeaders():
                body = struct.pack(">I", event.stream)
                if isinstance(event, Opened):
                    body += bytes(6)  # no associated stream, highest priority, no slot
                return _control(_WITH_HEADERS[type(event)], FIN if event.fin else 0, body + self._pack(event.headers))
            case Reset():
                return _control(RST_STREAM, 0, struct.pack(">II", event.stream, event.status))
            case Pinged():
                return _control(PING, 0, struct.pack(">I", event.id))
            case GoneAway():
                return _control(GOAWAY, 0, struct.pack(">II", event.last_stream, event.status))
            case Window():
                return _control(WINDOW_UPDATE, 0, struct.pack(">II", event.stream, event.delta))

    def feed(self, data: bytes) -> list[Event]:
        """Events whose frames are now complete; settings and unknown frames are passed over. Raises SpdyError."""
        self._buffer += data
        found: list[Event] = []
        while len(self._buffer) >= 8:
            size = int.from_bytes(self._buffer[5:8], "big")
            if len(self._buffer) < 8 + size:
                break
            head, body = bytes(self._buffer[:8]), bytes(self._buffer[8 : 8 + size])
            del self._buffer[: 8 + size]
            if (event := self._event(head, body)) is not None:
                found.append(event)
        return found

    def _event(self, head: bytes, body: bytes) -> Event | None:
        first, flags = int.from_bytes(head[:4], "big"), head[4]
        if not first & 0x80000000:
            return Data(first, body, bool(flags & FIN))
        if (first >> 16) & 0x7FFF != VERSION:
            raise SpdyError("not SPDY/3")
        kind = first & 0xFFFF
        try:
            if kind in (SYN_STREAM, SYN_REPLY, HEADERS):
                return self._with_headers(kind, bool(flags & FIN), body)
            return _without_headers(kind, body)
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise SpdyError(f"malformed frame: {error}") from error

    def _with_headers(self, kind: int, fin: bool, body: bytes) -> Event:
        stream = struct.unpack_from(">I", body)[0] & 0x7FFFFFFF
        headers = self._unpack(body[10 if kind == SYN_STREAM else 4 :])
        if kind == SYN_STREAM:
            return Opened(stream, headers, fin)
        return Replied(stream, headers, fin) if kind == SYN_REPLY else MoreHeaders(stream, headers, fin)

    def _pack(self, headers: Headers) -> bytes:
        parts = [struct.pack(">I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                parts += [struct.pack(">I", len(text)), text]
        return self._deflate.compress(b"".join(parts)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def _unpack(self, packed: bytes) -> dict[str, str]:
        plain = self._inflate.decompress(packed, MAX_HEADERS)
        if self._inflate.unconsumed_tail:
            raise SpdyError("the headers are too long")
        (count,), at = struct.unpack_from(">I", plain), 4
        headers = {}
        for _ in range(count):
            texts = []
            for _ in range(2):
                (size,) = struct.unpack_from(">I", plain, at)
                if at + 4 + size > len(plain):
                    raise SpdyError("a header ends beyond its block")
                texts.append(plain[at + 4 : at + 4 + size].decode("utf-8", "replace"))
                at += 4 + size
            headers[texts[0].lower()] = texts[1]
        return headers


def _data_frames(event: Data) -> list[bytes]:
    data, pieces = event.data, []
    for at in range(0, max(len(data), 1), MAX_DATA):
        piece = data[at : at + MAX_DATA]
        flags = FIN if event.fin and at + MAX_DATA >= len(data) else 0
        pieces.append(struct.pack(">IB", event.stream, flags) + len(piece).to_bytes(3, "big") + piece)
    return pieces


def _without_headers(kind: int, body: bytes) -> Event | None:
    if kind == PING:
        return Pinged(struct.unpack_from(">I", body)[0])
    if kind not in (RST_STREAM, GOAWAY, WINDOW_UPDATE):
        return None
    stream, number = struct.unpack_from(">II", body)
    stream &= 0x7FFFFFFF
    if kind == RST_STREAM:
        return Reset(stream, number)
    return GoneAway(stream, number) if kind == GOAWAY else Window(stream, number)


def _control(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack(">HHB", 0x8000 | VERSION, kind, flags) + len(body).to_bytes(3, "big") + body
