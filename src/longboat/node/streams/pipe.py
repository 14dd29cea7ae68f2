"""A two-way byte connection, whatever carries it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from longboat.machinery.streams import websocket
from longboat.machinery.streams.websocket import BINARY, CLOSE, PING, PONG, Decoder, Message, ProtocolError
from longboat.node.cri.interface import Writer

CHUNK = 64 << 10  # bytes


class Pipe(Protocol):
    async def read(self) -> bytes:
        """The next bytes; b"" at the end. Raises OSError."""
        ...

    async def write(self, data: bytes) -> None:
        """Returns once there is room for more. Raises OSError."""
        ...

    async def close(self) -> None: ...


class SocketPipe:
    """A plain connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        return await self._reader.read(CHUNK)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()


class WebSocket:
    """The server's side of a WebSocket: whole messages, pings answered."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe, self._decoder = pipe, Decoder(from_client=True)
        self._ready: list[Message] = []
        self._closed = False

    async def receive(self) -> Message | None:
        """The next message; None once the client has closed. Raises OSError."""
        while True:
            while self._ready:
                message = self._ready.pop(0)
                if message.kind == PING:
                    await self._pipe.write(websocket.encode(PONG, message.data))
                elif message.kind == CLOSE:
                    await self.close()
                    return None
                elif message.kind != PONG:
                    return message
            data = await self._pipe.read()
            if not data:
                return None
            try:
                self._ready += self._decoder.feed(data)
            except ProtocolError as error:
                await self.close(error.code, str(error))
                return None

    async def send(self, kind: int, data: bytes) -> None:
        """Raises OSError."""
        if self._closed:
            raise ConnectionResetError("the WebSocket is closed")
        await self._pipe.write(websocket.encode(kind, data))

    async def close(self, code: int = websocket.NORMAL, reason: str = "") -> None:
        """Say goodbye, once."""
        if not self._closed:
            self._closed = True
            try:
                await self._pipe.write(websocket.close(code, reason))
            except OSError:
                return  # the client has gone: there is nobody to tell


class TunnelPipe:
    """Bytes inside the binary messages of a WebSocket."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        while (message := await self._socket.receive()) is not None:
            if message.data:
                return message.data
        return b""

    async def write(self, data: bytes) -> None:
        await self._socket.send(BINARY, data)

    async def close(self) -> None:
        await self._socket.close()
