"""A SPDY/3.1 connection: any number of byte streams over one pipe."""

from __future__ import annotations

import asyncio
import logging
from typing import Self

from longboat.machinery.streams.spdy import (
    Codec,
    Data,
    Event,
    GoneAway,
    Headers,
    Opened,
    Pinged,
    Replied,
    Reset,
    SpdyError,
)
from longboat.node.streams.pipe import Pipe

log = logging.getLogger(__name__)
WAITING = 64  # frames a stream holds for its reader before the whole connection waits
MAX_STREAMS = 1000
REFUSED, CANCEL = 3, 5  # RST_STREAM


class Stream:
    """One stream: two directions that end independently."""

    def __init__(self, connection: Connection, id: int, headers: Headers) -> None:
        self.id, self.headers = id, headers
        self._connection = connection
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
        self._ended = False  # theirs
        self._finished = False  # ours
        self._ignored = False

    async def read(self) -> bytes:
        """The next bytes; b"" at the end, also where the stream was reset."""
        if self._ended and self._frames.empty():
            return b""
        data = await self._frames.get()
        if data is None:
            self._ended = True
            return b""
        return data

    async def read_all(self, limit: int) -> bytes:
        found = bytearray()
        while len(found) < limit and (data := await self.read()):
            found += data
        return bytes(found[:limit])

    async def write(self, data: bytes) -> None:
        """Raises OSError."""
        if self._finished:
            raise BrokenPipeError("the stream has been closed")
        if data:
            await self._connection.send(Data(self.id, data))

    async def end(self) -> None:
        """Nothing more will be written."""
        if not self._finished:
            self._finished = True
            await self._connection.send(Data(self.id, b"", True))

    async def reset(self) -> None:
        """Give up both directions."""
        self._ignored = True
        if not self._finished:
            self._finished = True
            await self._connection.send(Reset(self.id, CANCEL))

    async def take(self, data: bytes | None) -> None:
        """Data has come for this stream, or its end (the connection's side)."""
        if not self._ignored:
            await self._frames.put(data)


class Connection:
    """`async with` runs its reading loop; streams end when it does."""

    def __init__(self, pipe: Pipe, *, server: bool) -> None:
        self._pipe, self._codec = pipe, Codec()
        self._streams: dict[int, Stream] = {}
        self._next = 2 if server else 1
        self._last = 0
        self._opened: asyncio.Queue[Stream | None] = asyncio.Queue(MAX_STREAMS + 1)
        self._sending = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._is_server = server

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read(), name="spdy")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._pipe.close()

    async def open(self, headers: Headers) -> Stream:
        """A new stream of ours. Raises OSError."""
        stream = Stream(self, self._next, headers)
        self._next += 2
        self._streams[stream.id] = stream
        await self.send(Opened(stream.id, headers))
        return stream

    async def accept(self) -> Stream | None:
        """The next stream of theirs; None once the connection has ended."""
        return await self._opened.get()

    def discard(self, stream: Stream) -> None:
        """Both sides are done with it."""
        self._streams.pop(stream.id, None)

    async def send(self, event: Event) -> None:
        """Raises OSError."""
        async with self._sending:  # the compressor's output must leave in the order in which it was made
            await self._pipe.write(self._codec.encode(event))

    async def _read(self) -> None:
        try:
            while data := await self._pipe.read():
                for event in self._codec.feed(data):
                    await self._handle(event)
        except (SpdyError, OSError) as error:
            log.debug("spdy connection: %s", error)
        finally:
            for stream in self._streams.values():
                _end(stream)
            _put(self._opened, None)

    async def _handle(self, event: Event) -> None:
        match event:
            case Opened():
                await self._accept(event)
            case Data() | Replied():
                stream = self._streams.get(event.stream)
                if stream is not None:
                    if isinstance(event, Data) and event.data:
                        await stream.take(event.data)
                    if event.fin:
                        await stream.take(None)
            case Reset():
                stream = self._streams.pop(event.stream, None)
                if stream is not None:
                    await stream.take(None)
            case Pinged():
                if event.id % 2 == (1 if self._is_server else 0):  # theirs, not the echo of ours
                    await self.send(event)
            case GoneAway():
                _put(self._opened, None)
            case _:
                return  # windows and later headers change nothing here

    async def _accept(self, event: Opened) -> None:
        if event.stream <= self._last or event.stream % 2 != (1 if self._is_server else 0):
            raise SpdyError("stream ids must grow, and belong to the side that opens them")
        self._last = event.stream
        if len(self._streams) >= MAX_STREAMS:
            await self.send(Reset(event.stream, REFUSED))
            return
        stream = Stream(self, event.stream, event.headers)
        self._streams[stream.id] = stream
        await self.send(Replied(stream.id, {}))
        if event.fin:
            await stream.take(None)
        await self._opened.put(stream)


def _end(stream: Stream) -> None:
    """Tell a stream's reader that nothing more will come, without waiting for room."""
    _put(stream._frames, None)


def _put(queue: asyncio.Queue[Stream | None] | asyncio.Queue[bytes | None], value: None) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(value)
