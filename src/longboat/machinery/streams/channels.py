"""Kubernetes' channels in WebSocket messages: the first byte of each says which stream it belongs to.

v5 adds a message that closes one stream, so that standard input can end while output goes on. The base64 variants put
the channel as a digit before base64 text, for browsers.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass

from longboat.machinery.streams.websocket import BINARY, TEXT, Message, ProtocolError

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE_CHANNEL = 255
V5, V4, V4_BASE64 = "v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"
V1, V1_BASE64 = "channel.k8s.io", "base64.channel.k8s.io"
TUNNEL = "SPDY/3.1+portforward.k8s.io"  # not channels: a SPDY connection inside binary messages
REMOTE_COMMAND = (V5, V4, V4_BASE64, V1, V1_BASE64)
PORT_FORWARD = (TUNNEL, V4, V4_BASE64)


@dataclass(frozen=True, slots=True)
class Received:
    """Data for a channel; None ends the channel."""

    channel: int
    data: bytes | None


def choose(offered: Iterable[str], known: Iterable[str]) -> str | None:
    """The first of the client's protocols that is known; "" where it offers none at all; None where none fits."""
    listed = [name for name in offered if name]
    if not listed:
        return ""
    supported = set(known)
    return next((name for name in listed if name in supported), None)


def encode(protocol: str, channel: int, data: bytes) -> tuple[int, bytes]:
    """The kind and content of a message."""
    if "base64" in protocol:
        return TEXT, b"%d" % channel + b64encode(data)
    return BINARY, bytes((channel,)) + data


def encode_close(channel: int) -> tuple[int, bytes]:
    """v5 only: nothing more will come on this channel."""
    return BINARY, bytes((CLOSE_CHANNEL, channel))


def decode(protocol: str, message: Message) -> Received | None:
    """None for an empty message, which says nothing. Raises ProtocolError."""
    data = message.data
    if not data:
        return None
    if "base64" in protocol:
        if not 0x30 <= data[0] <= 0x39:
            raise ProtocolError("the channel is not a digit")
        try:
            return Received(data[0] - 0x30, b64decode(data[1:], validate=True))
        except Base64Error as error:
            raise ProtocolError("the data is not base64") from error
    if protocol == V5 and data[0] == CLOSE_CHANNEL:
        if len(data) != 2:
            raise ProtocolError("a closing message names one channel")
        return Received(data[1], None)
    return Received(data[0], data[1:])
