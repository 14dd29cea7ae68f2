"""Exec and attach at the runtime's own streaming server, over SPDY/3.1: the only protocol of containerd 1.6 in which
standard input can end before the output does."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import msgspec

from longboat.aio.http.client import BadMessage, encode_request, read_body, read_response
from longboat.node.cri.interface import RuntimeFailure
from longboat.node.streams.pipe import SocketPipe
from longboat.node.streams.spdy import Connection, Stream

PROTOCOL = "v4.channel.k8s.io"
MAX_STATUS = 1 << 20  # bytes
READ_AHEAD = 16  # chunks of output


class _Cause(msgspec.Struct):
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct):
    causes: list[_Cause] = []


class _Status(msgspec.Struct):
    status: str = ""
    reason: str = ""
    message: str = ""
    details: _Details | None = None


async def open_session(url: str, *, stdin: bool, stderr: bool, tty: bool) -> SpdySession:
    """Connect to a URL the runtime gave for exec or attach. Raises RuntimeFailure."""
    try:
        pipe = await _upgrade(url)
    except (OSError, BadMessage) as error:
        raise RuntimeFailure(f"cannot reach the runtime's streaming server: {error}", "Unavailable") from error
    connection = Connection(pipe, server=False)
    await connection.__aenter__()
    names = [
        "error",
        *(["stdin"] if stdin else []),
        "stdout",
        *(["stderr"] if stderr else []),
        *(["resize"] if tty else []),
    ]
    try:
        streams = {name: await connection.open({"streamType": name}) for name in names}
    except OSError as error:
        await connection.__aexit__()
        raise RuntimeFailure(f"the runtime's streaming server went away: {error}", "Unavailable") from error
    return SpdySession(connection, streams)


async def _upgrade(url: str) -> SocketPipe:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = [
        ("Host", parts.netloc), ("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"),
        ("X-Stream-Protocol-Version", PROTOCOL), ("Content-Length", "0"),
    ]  # fmt: skip
    writer.write(encode_request("POST", target, headers))
    head = await read_response(reader)
    if head.status != 101:
        said = await read_body(reader, head, 1024)
        writer.close()
        raise BadMessage(f"it answered {head.status}: {said.decode(errors='replace').strip()}")
    return SocketPipe(reader, writer)


class SpdySession:
    """Implements `interface.Session`."""

    def __init__(self, connection: Connection, streams: dict[str, Stream]) -> None:
        self._connection, self._streams = connection, streams
        self._output: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue(READ_AHEAD)
        self._open = {name for name in ("stdout", "stderr") if name in streams}
        self._tasks = [asyncio.create_task(self._pump(name), name=f"exec/{name}") for name in self._open]

    async def _pump(self, name: str) -> None:
        while data := await self._streams[name].read():
            await self._output.put((name, data))
        self._open.discard(name)
        if not self._open:
            await self._output.put(None)

    async def read(self) -> tuple[str, bytes] | None:
        return await self._output.get()

    async def write(self, data: bytes) -> None:
        if "stdin" in self._streams:
            await self._streams["stdin"].write(data)

    async def end_input(self) -> None:
        if "stdin" in self._streams:
            await self._streams["stdin"].end()

    async def resize(self, width: int, height: int) -> None:
        if "resize" in self._streams:
            await self._streams["resize"].write(b'{"Width":%d,"Height":%d}\n' % (width, height))

    async def exit_code(self) -> int:
        raw = await self._streams["error"].read_all(MAX_STATUS)
        if not raw:
            return 0
        try:
            status = msgspec.json.decode(raw, type=_Status)
        except msgspec.MsgspecError as error:
            raise RuntimeFailure(raw.decode(errors="replace")) from error
        if status.status == "Success":
            return 0
        for cause in status.details.causes if status.details else ():
            if cause.reason == "ExitCode" and cause.message.isdigit():
                return int(cause.message)
        raise RuntimeFailure(status.message or status.reason)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._connection.__aexit__()
