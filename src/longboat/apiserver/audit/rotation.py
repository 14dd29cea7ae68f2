"""A file that is set aside when it is full, and its older parts that go in time (upstream's --audit-log-max*)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

MEGABYTE = 1 << 20
STAMP = "%Y-%m-%dT%H-%M-%S.%f"  # of a part that was set aside, with milliseconds (as lumberjack names them)


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_age` in days and `max_backups` of older parts (0: no limit), `max_size` of a file in megabytes
    (0: 100, as upstream).

    The defaults are what the CIS benchmark asks for (1.2.17 to 1.2.19).
    """

    max_age: int = 30
    max_backups: int = 10
    max_size: int = 100


class RotatedFile:
    """Blocking: for a thread. Every method raises OSError."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self._limits = limits
        self._largest = (limits.max_size or 100) * MEGABYTE

    def check(self, now: datetime) -> None:
        """See that it can be written."""
        os.close(self._open())
        self.prune(now)

    def write(self, lines: Iterable[bytes], now: datetime) -> None:
        """Append lines; each file gets as many as fit."""
        size, block = self._size(), bytearray()
        for line in lines:
            if (size or block) and size + len(block) + len(line) >= self._largest:
                self._append(block)
                self._set_aside(now)
                size, block = 0, bytearray()
            block += line + b"\n"
        self._append(block)

    def backups(self) -> list[tuple[datetime, Path]]:
        """Older parts with the time at which they were set aside, newest first."""
        found = []
        for path in self.path.parent.glob(f"{self.path.stem}-*{self.path.suffix}"):
            stamp = path.name.removeprefix(f"{self.path.stem}-").removesuffix(self.path.suffix)
            try:
                found.append((datetime.strptime(stamp, STAMP).replace(tzinfo=UTC), path))
            except ValueError:
                continue  # of another ring
        return sorted(found, reverse=True)

    def prune(self, now: datetime) -> None:
        """Remove what is too old, or one too many."""
        limits = self._limits
        for number, (since, path) in enumerate(self.backups()):
            too_old = limits.max_age and now - since > timedelta(days=limits.max_age)
            if too_old or (limits.max_backups and number >= limits.max_backups):
                path.unlink(missing_ok=True)

    def _open(self) -> int:
        """Its owner's alone, and itself: a link put in its place is not followed, a pipe not waited for."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self.path, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(f"{self.path} is not a file")
            os.fchmod(descriptor, 0o600)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _size(self) -> int:
        try:
            return self.path.lstat().st_size
        except FileNotFoundError:
            return 0

    def _append(self, block: bytearray) -> None:
        """All of it or nothing: half a line would spoil the next one."""
        if not block:
            return
        descriptor, left = self._open(), memoryview(block)
        try:
            size = os.fstat(descriptor).st_size
            try:
                while left:
                    left = left[os.write(descriptor, left) :]
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)

    def _set_aside(self, now: datetime) -> None:
        while (part := self.path.with_stem(f"{self.path.stem}-{_stamp(now)}")).exists():
            now += timedelta(milliseconds=1)
        self.path.rename(part)
        self.prune(now)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(STAMP)[:-3]
