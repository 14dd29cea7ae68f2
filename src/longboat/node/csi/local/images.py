"""The files that volumes are: one sparse image each, complete from the moment it has its name. Everything blocks.

A power cut at any line leaves a volume that is whole, or one that does not exist.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol

from longboat.node.csi.errors import RpcFailure
from longboat.node.csi.local import file_systems, loop
from longboat.node.mounting import ToolFailed

SMALLEST = 4 << 20  # bytes: less holds no file system to speak of
GRAIN = 4096
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")


class Images(Protocol):
    """All raise RpcFailure."""

    def size(self, volume: str) -> int | None:
        """In bytes; None for one that does not exist."""
        ...

    def create(self, volume: str, size: int, file_system: str) -> None:
        """`file_system` is "" for a bare block device."""
        ...

    def delete(self, volume: str) -> None: ...

    def grow(self, volume: str, size: int) -> None:
        """It never shrinks."""
        ...

    def free(self) -> int:
        """Bytes that one more volume may have."""
        ...


class DiskImages:
    """In one directory. A volume may be as large as what is free on the disk when it is made; disks may be promised
    to more than one, as each takes only what is written to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self) -> None:
        """Remove what was never finished. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._folder.glob(".*.new"):
            path.unlink()

    def path(self, volume: str) -> Path:
        """Raises RpcFailure for what cannot be a volume's name."""
        if not _ID.fullmatch(volume):
            raise RpcFailure("INVALID_ARGUMENT", f"{volume!r} is not the id of a volume")
        return self._folder / f"{volume}.img"

    def size(self, volume: str) -> int | None:
        try:
            return self.path(volume).stat().st_size
        except FileNotFoundError:
            return None

    def create(self, volume: str, size: int, file_system: str) -> None:
        path = self.path(volume)
        if size > self.free():
            raise _full(size, self.free())
        partial = path.with_name(f".{path.stem}.new")
        try:
            with open(partial, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.truncate(size)
            if file_system:
                file_systems.make(file_system, partial)
            _sync(partial)
            os.replace(partial, path)
            _sync(self._folder)
        except (OSError, ToolFailed) as error:
            raise RpcFailure("INTERNAL", f"cannot make volume {volume}: {error}") from error
        finally:
            partial.unlink(missing_ok=True)

    def delete(self, volume: str) -> None:
        path = self.path(volume)
        try:
            if loop.devices(path):
                raise RpcFailure("FAILED_PRECONDITION", f"volume {volume} is still in use")
            path.unlink()
            _sync(self._folder)
        except FileNotFoundError:
            return  # it is gone already
        except OSError as error:
            raise RpcFailure("INTERNAL", f"cannot delete volume {volume}: {error}") from error

    def grow(self, volume: str, size: int) -> None:
        path = self.path(volume)
        try:
            has = path.stat().st_size
            if size <= has:
                return
            if size - has > self.free():
                raise _full(size - has, self.free())
            os.truncate(path, size)
            _sync(path)
        except FileNotFoundError:
            raise RpcFailure("NOT_FOUND", f"volume {volume} does not exist") from None
        except OSError as error:
            raise RpcFailure("INTERNAL", f"cannot grow volume {volume}: {error}") from error

    def free(self) -> int:
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize


class MemoryImages:
    """Of simulated nodes: only the sizes are kept."""

    def __init__(self, room: int = 1 << 40) -> None:
        self._sizes: dict[str, int] = {}
        self._room = room

    def size(self, volume: str) -> int | None:
        return self._sizes.get(volume)

    def create(self, volume: str, size: int, file_system: str) -> None:
        if size > self.free():
            raise _full(size, self.free())
        self._sizes[volume] = size

    def delete(self, volume: str) -> None:
        self._sizes.pop(volume, None)

    def grow(self, volume: str, size: int) -> None:
        if volume not in self._sizes:
            raise RpcFailure("NOT_FOUND", f"volume {volume} does not exist")
        self._sizes[volume] = max(size, self._sizes[volume])

    def free(self) -> int:
        return self._room - sum(self._sizes.values())


def fitting(required: int, limit: int) -> int:
    """The size of a volume for a CapacityRange. Raises RpcFailure."""
    size = max(-(-required // GRAIN) * GRAIN, SMALLEST)
    if limit and size > limit:
        raise RpcFailure("OUT_OF_RANGE", f"no volume has at least {required} and at most {limit} bytes")
    return size


def _full(size: int, free: int) -> RpcFailure:
    return RpcFailure("RESOURCE_EXHAUSTED", f"not enough room: {size} bytes were asked for, {free} are free")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
