"""Port forwarding for a client: SPDY stream pairs (also tunnelled in a WebSocket), or pairs of channels."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from longboat.machinery.streams import channels
from longboat.machinery.streams.websocket import ProtocolError
from longboat.node.cri.interface import RuntimeFailure, Streams, Writer
from longboat.node.streams.pipe import CHUNK, Pipe, WebSocket
from longboat.node.streams.spdy import Connection, Stream

log = logging.getLogger(__name__)
Dial = Callable[[int], Awaitable[Streams]]
MAX_PORTS = 100
WAITING = 64  # messages a port holds for its connection


async def over_spdy(pipe: Pipe, dial: Dial, pod: str) -> None:
    """Serve a client until it goes. Each request is a pair of streams: `error` and `data`, with one requestID."""
    pairs: dict[str, dict[str, Stream]] = {}
    tasks: set[asyncio.Task[None]] = set()
    try:
        async with Connection(pipe, server=True) as connection:
            while (stream := await connection.accept()) is not None:
                kind, id = stream.headers.get("streamtype", ""), _request_id(stream)
                if kind not in ("error", "data") or kind in pairs.get(id, ()):
                    await stream.reset()
                    continue
                pair = pairs.setdefault(id, {})
                pair[kind] = stream
                if len(pair) == 2:
                    del pairs[id]
                    task = asyncio.create_task(
                        _pair(connection, pair["error"], pair["data"], dial, pod), name="forward"
                    )
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
    finally:
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _request_id(stream: Stream) -> str:
    """Old clients send none: their data stream follows the error stream at once."""
    if found := stream.headers.get("requestid"):
        return found
    return str(stream.id - 2 if stream.headers.get("streamtype") == "data" else stream.id)


async def _pair(connection: Connection, error: Stream, data: Stream, dial: Dial, pod: str) -> None:
    text = data.headers.get("port", "")
    try:
        if not text.isdigit() or not 0 < int(text) < 65536:
            await error.write(f"invalid port {text!r}".encode())
            return
        try:
            reader, writer = await dial(int(text))
        except (OSError, RuntimeFailure) as problem:
            await error.write(f"error forwarding port {text} to pod {pod}: {_words(problem)}".encode())
            return
        await _carry(data, reader, writer)
    except OSError as problem:
        log.debug("port-forward to %s: %s", pod, problem)
    finally:
        await _finish(connection, error, data)


async def _finish(connection: Connection, *streams: Stream) -> None:
    for stream in streams:
        try:
            await stream.end()
        except OSError as problem:
            log.debug("the client went first: %s", problem)
        connection.discard(stream)


async def _carry(data: Stream, reader: asyncio.StreamReader, writer: Writer) -> None:
    """Both directions, each until it ends. Raises OSError."""

    async def upward() -> None:
        while chunk := await data.read():
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

    async def downward() -> None:
        while chunk := await reader.read(CHUNK):
            await data.write(chunk)
        await data.end()

    task = asyncio.create_task(upward(), name="forward/up")
    try:
        await downward()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        writer.close()


async def over_channels(pipe: Pipe, protocol: str, ports: list[int], dial: Dial, pod: str) -> None:
    """Serve a client that named its ports in the request: channels 2n and 2n+1 are data and error of the nth.

    The first message on each is the port's number, two bytes, the lower first.
    """
    socket = WebSocket(pipe)
    queues: list[asyncio.Queue[bytes]] = [asyncio.Queue(WAITING) for _ in ports]
    tasks = [
        asyncio.create_task(_channel(socket, protocol, n, port, queues[n], dial, pod), name=f"forward/{port}")
        for n, port in enumerate(ports)
    ]
    try:
        while (message := await socket.receive()) is not None:
            found = channels.decode(protocol, message)
            if (
                found is not None
                and found.data is not None
                and found.channel % 2 == 0
                and found.channel // 2 < len(ports)
            ):
                await queues[found.channel // 2].put(found.data)
    except ProtocolError as error:
        await socket.close(error.code, str(error))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _channel(
    socket: WebSocket, protocol: str, n: int, port: int, incoming: asyncio.Queue[bytes], dial: Dial, pod: str
) -> None:
    async def send(channel: int, data: bytes) -> None:
        await socket.send(*channels.encode(protocol, channel, data))

    for channel in (2 * n, 2 * n + 1):
        await send(channel, port.to_bytes(2, "little"))
    try:
        reader, writer = await dial(port)
    except (OSError, RuntimeFailure) as problem:
        await send(2 * n + 1, f"error forwarding port {port} to pod {pod}: {_words(problem)}".encode())
        return

    async def upward() -> None:
        while True:
            writer.write(await incoming.get())
            await writer.drain()

    task = asyncio.create_task(upward(), name="forward/up")
    try:
        while chunk := await reader.read(CHUNK):
            await send(2 * n, chunk)
    finally:
        task.cancel()
        writer.close()


def _words(problem: Exception) -> str:
    text = (
        problem.message if isinstance(problem, RuntimeFailure) else (getattr(problem, "strerror", None) or str(problem))
    )
    return text
