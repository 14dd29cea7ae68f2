"""Exec and attach for a client: its protocol on one side, the container's session on the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Protocol

import msgspec

from longboat.machinery.streams import channels
from longboat.machinery.streams.channels import ERROR, RESIZE, STDERR, STDIN, STDOUT, Received
from longboat.machinery.streams.websocket import ProtocolError
from longboat.node.cri.interface import RuntimeFailure, Session
from longboat.node.streams.pipe import Pipe, WebSocket
from longboat.node.streams.spdy import Connection, Stream

log = logging.getLogger(__name__)
STREAM_WAIT = 30.0  # seconds a client has to open its streams (kubelet, StreamCreationTimeout)
NAMES = {"error": ERROR, "stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "resize": RESIZE}
OUTPUT = {"stdout": STDOUT, "stderr": STDERR}
SUCCESS = b'{"metadata":{},"status":"Success"}'


class Client(Protocol):
    """What the client sends, and what it is sent."""

    def received(self) -> AsyncIterator[Received]:
        """Until the client goes away."""
        ...

    async def send(self, channel: int, data: bytes) -> None: ...

    async def finish(self, status: bytes) -> None:
        """Send the status and end everything."""
        ...


class _Size(msgspec.Struct):
    Width: int = 0
    Height: int = 0


def failure(code: int, command: str) -> bytes:
    """The Status of a command that ended with an exit code other than 0."""
    status = {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: error executing command {command}, exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
    return msgspec.json.encode(status)


def broken(message: str) -> bytes:
    """The Status of a command that could not be run."""
    message = f"Internal error occurred: {message}".replace(
        "Internal error occurred: Internal error occurred", "Internal error occurred"
    )
    details = {"causes": [{"message": message.partition(": ")[2]}]}
    status: dict[str, Any] = {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError"}
    return msgspec.json.encode({**status, "details": details, "code": 500})


async def bridge(client: Client, open_session: Callable[[], Awaitable[Session]], command: str) -> None:
    """Carry bytes both ways until the command has ended or the client has gone. Raises OSError."""
    try:
        session = await open_session()
    except RuntimeFailure as error:
        await client.finish(broken(error.message))
        return
    upward = asyncio.create_task(_to_container(client, session), name="exec/input")
    downward = asyncio.create_task(_to_client(client, session, command), name="exec/output")
    try:
        await asyncio.wait((upward, downward), return_when=asyncio.FIRST_COMPLETED)
        if upward.done() and not downward.done() and not upward.cancelled() and upward.exception() is None:
            log.debug("the client of %s has gone", command)
        elif downward.done():
            await downward
    finally:
        for task in (upward, downward):
            task.cancel()
        await asyncio.gather(upward, downward, return_exceptions=True)
        await session.close()


async def _to_container(client: Client, session: Session) -> None:
    """Returns when the client has gone. What the container no longer takes is dropped."""
    async for received in client.received():
        try:
            if received.channel == STDIN:
                await (session.end_input() if received.data is None else session.write(received.data))
            elif received.channel == RESIZE and received.data:
                size = msgspec.json.decode(received.data, type=_Size)
                await session.resize(size.Width, size.Height)
        except msgspec.MsgspecError:
            log.debug("a terminal size that cannot be read: %r", received.data)
        except OSError as error:
            log.debug("the container takes no more input: %s", error)


async def _to_client(client: Client, session: Session, command: str) -> None:
    while (output := await session.read()) is not None:
        name, data = output
        await client.send(OUTPUT[name], data)
    try:
        code = await session.exit_code()
        status = failure(code, command) if code else SUCCESS
    except RuntimeFailure as error:
        status = broken(error.message)
    await client.finish(status)


class WebSocketClient:
    """Channels in WebSocket messages."""

    def __init__(self, pipe: Pipe, protocol: str) -> None:
        self._socket, self._protocol = WebSocket(pipe), protocol or channels.V1

    async def received(self) -> AsyncIterator[Received]:
        while (message := await self._socket.receive()) is not None:
            try:
                found = channels.decode(self._protocol, message)
            except ProtocolError as error:
                await self._socket.close(error.code, str(error))
                return
            if found is not None:
                yield found

    async def send(self, channel: int, data: bytes) -> None:
        await self._socket.send(*channels.encode(self._protocol, channel, data))

    async def announce(self, outputs: Iterable[int]) -> None:
        """An empty message on the first output: it tells clients that the connection stands (as the kubelet has it).

        Those of v5 need none, and kubectl up to 1.32 may not be ready for it: it complains of an unknown stream.
        """
        if self._protocol != channels.V5:
            await self.send(next(iter(outputs), ERROR), b"")

    async def finish(self, status: bytes) -> None:
        if self._protocol in (channels.V1, channels.V1_BASE64):
            status = plain(status)
        if status:
            await self.send(ERROR, status)
        await self._socket.close()


class SpdyClient:
    """A SPDY stream per channel. `wanted` are the names of the streams it must open."""

    def __init__(self, connection: Connection, streams: dict[str, Stream], protocol: str) -> None:
        self._connection, self._streams, self._protocol = connection, streams, protocol
        self._input: asyncio.Queue[Received | None] = asyncio.Queue(16)

    async def received(self) -> AsyncIterator[Received]:
        tasks = [
            asyncio.create_task(self._pump(name), name=name) for name in ("stdin", "resize") if name in self._streams
        ]
        watcher = asyncio.create_task(self._until_closed(), name="closed")
        try:
            while (found := await self._input.get()) is not None:
                yield found
        finally:
            for task in (*tasks, watcher):
                task.cancel()

    async def _pump(self, name: str) -> None:
        stream, channel = self._streams[name], NAMES[name]
        while data := await stream.read():
            await self._input.put(Received(channel, data))
        await self._input.put(Received(channel, None))

    async def _until_closed(self) -> None:
        while await self._connection.accept() is not None:
            pass
        await self._input.put(None)

    async def send(self, channel: int, data: bytes) -> None:
        name = "stdout" if channel == STDOUT else "stderr"
        if name in self._streams:
            await self._streams[name].write(data)

    async def finish(self, status: bytes) -> None:
        if self._protocol != channels.V4:
            status = plain(status)
        for name in ("stdout", "stderr"):
            if name in self._streams:
                await self._streams[name].end()
        await self._streams["error"].write(status)
        await self._streams["error"].end()


def plain(status: bytes) -> bytes:
    """What protocols before v4 say of an end: nothing, or why it was bad."""
    found = msgspec.json.decode(status)
    return b"" if found["status"] == "Success" else str(found["message"]).encode()


async def open_streams(connection: Connection, wanted: set[str]) -> dict[str, Stream] | None:
    """The streams a SPDY client opens; None if it does not open them all."""
    streams: dict[str, Stream] = {}
    while wanted - streams.keys():
        stream = await connection.accept()
        if stream is None:
            return None
        streams[stream.headers.get("streamtype", "")] = stream
    return streams
