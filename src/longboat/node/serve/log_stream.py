"""Streams a container's log, from where the client wants it, for as long as it wants it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from longboat.aio.clock import Clock
from longboat.node import logs

POLL = 0.1  # seconds between looks at a log that is being followed
BLOCK = 64 << 10  # bytes


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """As PodLogOptions; `since` is a moment, `tail` and `limit` None for no limit, `stream` All, Stdout or Stderr."""

    follow: bool = False
    timestamps: bool = False
    since: datetime | None = None
    tail: int | None = None
    limit: int | None = None
    stream: str = "All"


async def stream(
    path: Path, options: LogOptions, clock: Clock, still_running: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    """The log's text. Following ends once the container has ended and all it wrote has been sent. Raises OSError."""
    file = await asyncio.to_thread(logs.open_log, path)
    selector = Selector(options)
    try:
        if options.tail is not None:
            start = await asyncio.to_thread(logs.start_of_tail, file, options.tail)
            await asyncio.to_thread(file.seek, start)
        last_round = False
        while True:
            data = await asyncio.to_thread(file.read, BLOCK)
            if data:
                if text := selector.feed(data):
                    yield text
                if selector.full:
                    return
                continue
            if await asyncio.to_thread(_was_rotated, file, path):
                file.close()
                file = await asyncio.to_thread(logs.open_log, path)
                continue
            if not options.follow or last_round:
                return
            if await still_running():
                await clock.sleep(POLL)
            else:
                last_round = True  # what was written between our last look and its end
    finally:
        file.close()


async def remembered(
    said: Callable[[], bytes], options: LogOptions, clock: Clock, still_running: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    """The same of a container without a file: `said` is all that would be in it by now."""
    selector, at, last_round = Selector(options), 0, False
    if options.tail is not None:
        lines = said().splitlines(keepends=True)
        at = sum(map(len, lines[: max(len(lines) - options.tail, 0)]))
    while True:
        data = said()
        if text := selector.feed(data[at:]):
            yield text
        at = len(data)
        if selector.full or not options.follow or last_round:
            return
        if await still_running():
            await clock.sleep(POLL)
        else:
            last_round = True


def _was_rotated(file: BinaryIO, path: Path) -> bool:
    """Whether the name now means another file."""
    try:
        return os.fstat(file.fileno()).st_ino != path.stat().st_ino
    except FileNotFoundError:
        return False


class Selector:
    """Picks lines and strips them of their heads. Pure."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._rest = b""
        self._left = options.limit
        self._middle: set[str] = set()  # streams in the middle of a line
        self._since = "" if options.since is None else options.since.strftime("%Y-%m-%dT%H:%M:%S.%f")

    @property
    def full(self) -> bool:
        """As much has been sent as was asked for."""
        return self._left is not None and self._left <= 0

    def feed(self, data: bytes) -> bytes:
        """The text in a piece of the file."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        text = b"".join(self._line(line + b"\n") for line in lines)
        if self._left is not None:
            text = text[: max(self._left, 0)]
            self._left -= len(text)
        return text

    def _line(self, raw: bytes) -> bytes:
        line = logs.parse(raw)
        if line is None or self._options.stream not in ("All", line.stream.capitalize()):
            return b""
        if self._since and line.time[: len(self._since)] < self._since:
            return b""
        begins = line.stream not in self._middle
        (self._middle.add if line.partial else self._middle.discard)(line.stream)
        return line.time.encode() + b" " + line.text if self._options.timestamps and begins else line.text
