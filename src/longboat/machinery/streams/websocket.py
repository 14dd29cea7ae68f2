"""WebSocket framing (RFC 6455), for either side of a connection: bytes in, messages out, and back."""

from __future__ import annotations

import struct
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha1

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NORMAL, GOING_AWAY, PROTOCOL_ERROR, TOO_BIG, INTERNAL = 1000, 1001, 1002, 1009, 1011
MAX_MESSAGE = 16 << 20  # bytes
MAX_CONTROL = 125
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class ProtocolError(Exception):
    """The peer broke the protocol. `code` is what the closing frame says."""

    def __init__(self, message: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message or control frame."""

    kind: int
    data: bytes


def accept_key(key: str) -> str:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key."""
    return b64encode(sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def encode(kind: int, data: bytes, mask: bytes | None = None) -> bytes:
    """One frame that is a whole message. Clients give four random bytes as mask, servers none."""
    size, bit = len(data), 0x80 if mask is not None else 0
    if size < 126:
        head = bytes((0x80 | kind, bit | size))
    elif size < 1 << 16:
        head = struct.pack(">BBH", 0x80 | kind, bit | 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | kind, bit | 127, size)
    return head + data if mask is None else head + mask + masked(data, mask)


def close(code: int, reason: str = "", mask: bytes | None = None) -> bytes:
    return encode(CLOSE, struct.pack(">H", code) + reason.encode()[: MAX_CONTROL - 2], mask)


def masked(data: bytes, mask: bytes) -> bytes:
    """Applied twice it gives the same data back."""
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


class Decoder:
    """Takes bytes as they come. `from_client`: frames must be masked, else they must not be."""

    def __init__(self, *, from_client: bool, limit: int = MAX_MESSAGE) -> None:
        self._from_client, self._limit = from_client, limit
        self._buffer = bytearray()
        self._kind = CONTINUATION
        self._parts = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Messages and control frames that are now complete. Raises ProtocolError."""
        self._buffer += data
        found = []
        while (frame := self._frame()) is not None:
            final, kind, payload = frame
            if kind >= CLOSE:
                found.append(Message(kind, payload))
            elif (message := self._join(final, kind, payload)) is not None:
                found.append(message)
        return found

    def _join(self, final: bool, kind: int, payload: bytes) -> Message | None:
        if (kind == CONTINUATION) != (self._kind != CONTINUATION):
            raise ProtocolError("a message begins inside another, or none has begun")
        if kind != CONTINUATION:
            self._kind = kind
        self._parts += payload
        if len(self._parts) > self._limit:
            raise ProtocolError("the message is too big", TOO_BIG)
        if not final:
            return None
        message = Message(self._kind, bytes(self._parts))
        self._kind = CONTINUATION
        self._parts.clear()
        return message

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """The next frame: final, kind, payload. None while it is not complete."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        final, kind, size, at = bool(buffer[0] & 0x80), buffer[0] & 0x0F, buffer[1] & 0x7F, 2
        if buffer[0] & 0x70 or kind in (3, 4, 5, 6, 7) or kind > PONG:
            raise ProtocolError("reserved bits or kinds of frame are in use")
        if bool(buffer[1] & 0x80) != self._from_client:
            raise ProtocolError("the frame is masked the wrong way")
        if kind >= CLOSE and (size > MAX_CONTROL or not final):
            raise ProtocolError("a control frame is too long or in pieces")
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(buffer) < at + width:
                return None
            size = int.from_bytes(buffer[at : at + width], "big")
            at += width
        if size > self._limit:
            raise ProtocolError("the message is too big", TOO_BIG)
        end = at + size + (4 if self._from_client else 0)
        if len(buffer) < end:
            return None
        if self._from_client:
            payload = masked(bytes(buffer[at + 4 : end]), bytes(buffer[at : at + 4]))
        else:
            payload = bytes(buffer[at:end])
        del buffer[:end]
        return final, kind, payload
