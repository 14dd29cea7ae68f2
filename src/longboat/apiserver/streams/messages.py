"""A stream of bytes as WebSocket messages, for those who can read nothing else: browsers, above all."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass

from longboat.aio.http.exchange import Socket
from longboat.aio.tasks import Tasks
from longboat.apiserver.request import Request, Response
from longboat.machinery.errors import bad_request
from longboat.machinery.streams import websocket
from longboat.machinery.streams.channels import choose
from longboat.machinery.streams.websocket import BINARY, CLOSE, PING, PONG, TEXT, Decoder, ProtocolError

PLAIN, BASE64 = "binary.k8s.io", "base64.binary.k8s.io"
BEARER = "base64url.bearer.authorization.k8s.io."
MOST = 1 << 20  # bytes in a message from a client that has nothing to say


@dataclass(frozen=True, slots=True)
class Handshake:
    """What has been agreed with a client that wants messages."""

    protocol: str  # "" where it named none
    headers: dict[str, str]

    def answer(self, answer: Response) -> Response:
        """Each piece of the answer's stream a message, after an empty one that says it has begun."""
        assert answer.stream is not None
        stream = answer.stream

        async def upgraded(socket: Socket) -> None:
            async with Tasks("messages") as tasks:
                sending = tasks.spawn("send", _send(socket, stream, self.protocol))
                listening = tasks.spawn("listen", _listen(socket))
                await asyncio.wait((sending, listening), return_when=asyncio.FIRST_COMPLETED)

        return Response(101, headers=self.headers, upgrade=upgraded, ends=answer.ends)


def handshake(request: Request) -> Handshake | None:
    """None for a client that wants no messages. Raises StatusError."""
    if request.headers.get("upgrade", "").lower() != "websocket":
        return None
    key = request.headers.get("sec-websocket-key", "")
    if request.headers.get("sec-websocket-version") != "13" or not key:
        raise bad_request("not a WebSocket handshake")
    offered = [name.strip() for name in request.headers.get("sec-websocket-protocol", "").split(",")]
    protocol = choose((name for name in offered if not name.startswith(BEARER)), (PLAIN, BASE64))
    if protocol is None:
        raise bad_request(f"unable to agree on a subprotocol, this server speaks {PLAIN} and {BASE64}")
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": websocket.accept_key(key)}
    return Handshake(protocol, headers | ({"Sec-WebSocket-Protocol": protocol} if protocol else {}))


async def _send(socket: Socket, stream: AsyncIterator[bytes], protocol: str) -> None:
    try:
        await socket.write(encode(protocol, b""))
        async for data in stream:
            await socket.write(encode(protocol, data))
        await socket.write(websocket.close(websocket.NORMAL))
    except OSError:
        return  # the client has gone
    finally:
        await stream.aclose()  # type: ignore[attr-defined]


async def _listen(socket: Socket) -> None:
    """Until the client goes. What it says is nothing to us, but its pings are answered."""
    decoder = Decoder(from_client=True, limit=MOST)
    try:
        while data := await socket.read():
            for message in decoder.feed(data):
                if message.kind == PING:
                    await socket.write(websocket.encode(PONG, message.data))
                elif message.kind == CLOSE:
                    return
    except ProtocolError as error:
        await socket.write(websocket.close(error.code, str(error)))
    except OSError:
        return


def encode(protocol: str, data: bytes) -> bytes:
    if protocol == BASE64:
        return websocket.encode(TEXT, b64encode(data))
    return websocket.encode(BINARY, data)
