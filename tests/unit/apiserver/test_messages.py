"""Streams as WebSocket messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from longboat.apiserver.request import Request, Response
from longboat.apiserver.streams import messages
from longboat.machinery.errors import StatusError
from longboat.machinery.streams import websocket
from longboat.machinery.streams.websocket import BINARY, CLOSE, PING, PONG, TEXT, Decoder, Message

KEY = {"upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
MASK = b"abcd"


def asked(**headers: str) -> Request:
    async def no_body(limit: int) -> bytes:
        return b""

    return Request("GET", "/", {}, {name.replace("_", "-"): value for name, value in headers.items()}, no_body)


def wanted(protocols: str = "") -> Request:
    return asked(**{name.replace("-", "_"): value for name, value in KEY.items()}, sec_websocket_protocol=protocols)


class Client:
    """Implements Socket: what the client says, and what it has been told."""

    def __init__(self, *frames: bytes) -> None:
        self.said: asyncio.Queue[bytes] = asyncio.Queue()
        for frame in frames:
            self.said.put_nowait(frame)
        self.told: list[Message] = []
        self._decoder = Decoder(from_client=False)

    async def read(self) -> bytes:
        return await self.said.get()

    async def write(self, data: bytes) -> None:
        self.told += self._decoder.feed(data)

    async def close(self) -> None: ...


class Stream:
    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        self.pieces, self.ends, self.closed = pieces, ends, False

    async def iterate(self) -> AsyncIterator[bytes]:
        try:
            for piece in self.pieces:
                yield piece
            if not self.ends:
                await asyncio.Event().wait()
        finally:
            self.closed = True


def talk(request: Request, stream: Stream, client: Client) -> list[tuple[int, bytes]]:
    """What the client is told."""
    agreed = messages.handshake(request)
    assert agreed is not None
    response = agreed.answer(Response(200, stream=stream.iterate()))
    assert response.status == 101 and response.upgrade is not None
    asyncio.run(asyncio.wait_for(response.upgrade(client), 5))  # type: ignore[arg-type]
    return [(message.kind, message.data) for message in client.told]


def test_an_ordinary_request_gets_no_messages() -> None:
    assert messages.handshake(asked()) is None
    assert messages.handshake(asked(upgrade="SPDY/3.1")) is None


@pytest.mark.parametrize(
    ("protocols", "chosen", "kind", "empty", "words"),
    [
        ("", "", BINARY, b"", b"words"),
        ("binary.k8s.io", "binary.k8s.io", BINARY, b"", b"words"),
        ("nonsense, base64.binary.k8s.io", "base64.binary.k8s.io", TEXT, b"", b"d29yZHM="),
        ("base64url.bearer.authorization.k8s.io.YQ, binary.k8s.io", "binary.k8s.io", BINARY, b"", b"words"),
    ],
)
def test_each_piece_is_a_message(protocols: str, chosen: str, kind: int, empty: bytes, words: bytes) -> None:
    agreed = messages.handshake(wanted(protocols))
    assert agreed is not None and agreed.headers.get("Sec-WebSocket-Protocol", "") == chosen
    assert agreed.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3
    stream = Stream(b"words", b"words")
    told = talk(wanted(protocols), stream, Client())
    assert told == [(kind, empty), (kind, words), (kind, words), (CLOSE, b"\x03\xe8")]
    assert stream.closed


def test_the_stream_ends_when_the_client_goes() -> None:
    for farewell in (websocket.close(1000, mask=MASK), b""):
        stream = Stream(b"words", ends=False)
        talk(wanted(), stream, Client(websocket.encode(PING, b"?", MASK), farewell))
        assert stream.closed


def test_pings_are_answered_and_nonsense_is_not() -> None:
    client = Client(websocket.encode(PING, b"?", MASK), websocket.encode(BINARY, b"not masked"))
    told = talk(wanted(), Stream(ends=False), client)
    assert (PONG, b"?") in told
    assert told[-1][0] == CLOSE and told[-1][1][:2] == (1002).to_bytes(2, "big")


@pytest.mark.parametrize(
    "request_", [asked(upgrade="websocket"), wanted("channel.k8s.io")], ids=["no key", "no protocol in common"]
)
def test_what_cannot_be_agreed(request_: Request) -> None:
    with pytest.raises(StatusError) as refused:
        messages.handshake(request_)
    assert refused.value.code == 400
