"""Container logs in the CRI's format: `2026-11-23T16:27:35.919226331Z stdout F hi`. Reading and selecting lines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

BLOCK = 64 << 10
_ROTATED = re.compile(r"\.log\.\d{8}-\d{6}(\.gz)?$")


class Line(msgspec.Struct, frozen=True):
    """`partial` lines go on in the next one of the same stream; `text` has the newline of a whole one."""

    time: str
    stream: str
    partial: bool
    text: bytes


def parse(raw: bytes) -> Line | None:
    """One line of a log file, newline included; None for what is not in the format."""
    parts = raw.split(b" ", 3)
    if len(parts) < 4 or parts[1] not in (b"stdout", b"stderr"):
        return None
    partial = parts[2].split(b":")[0] == b"P"
    text = parts[3]
    return Line(parts[0].decode("latin-1"), parts[1].decode(), partial, text.rstrip(b"\n") if partial else text)


def open_log(path: Path) -> BinaryIO:
    """Never follows a link: a container's log directory is not its own to arrange (CVE-2024-9042). Raises OSError."""
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def start_of_tail(file: BinaryIO, lines: int) -> int:
    """Where the last `lines` lines of a file begin."""
    end = at = file.seek(0, os.SEEK_END)
    if lines <= 0 or end == 0:
        return end
    found = 0
    while at > 0:
        size = min(BLOCK, at)
        at -= size
        file.seek(at)
        block = file.read(size)
        if at + size == end and block.endswith(b"\n"):
            block = block[:-1]
        place = len(block)
        while (place := block.rfind(b"\n", 0, place)) >= 0:
            found += 1
            if found == lines:
                return at + place + 1
    return 0


def tail(path: Path, lines: int, limit: int) -> str:
    """The text of the last lines of a log, at most `limit` bytes of it."""
    try:
        with open_log(path) as file:
            file.seek(start_of_tail(file, lines))
            texts = [line.text for raw in file.read(1 << 20).splitlines(keepends=True) if (line := parse(raw))]
    except OSError:
        return ""
    return b"".join(texts)[-limit:].decode(errors="replace")


def remove(path: Path, *others: Path) -> None:
    """A log with its older parts, and `others`. Blocks. Raises OSError."""
    for part in (*rotated(path), path, *others):
        part.unlink(missing_ok=True)


def rotated(path: Path) -> Iterator[Path]:
    """Older parts of a log, the newest first."""
    found = [other for other in path.parent.glob(f"{path.name}.*") if _ROTATED.search(other.name)]
    yield from sorted(found, reverse=True)
