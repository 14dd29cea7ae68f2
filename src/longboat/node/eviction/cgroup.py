"""What cgroups tell of memory and processes, versions 1 and 2. Functions block; what cannot be read raises OSError."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from longboat.node.cgroups import SYSTEM
from longboat.node.make.cgroups import NO_LIMIT


class Level(msgspec.Struct, frozen=True):
    """One cgroup that has a limit: what may be used of it, and what is not."""

    path: str
    limit: int
    available: int


class Reader:
    """`system` is where cgroups are mounted. Paths are those of cgroups: `/kubepods/burstable`."""

    def __init__(self, system: Path = SYSTEM) -> None:
        self._unified = (system / "cgroup.controllers").exists()
        self._memory, self._pids = (system, system) if self._unified else (system / "memory", system / "pids")

    def working_set(self, path: str) -> int:
        """Bytes that cannot be given back at once: without files nobody has looked at lately (as cadvisor has it)."""
        place = self._memory / path.strip("/")
        usage = int(_read(place / ("memory.current" if self._unified else "memory.usage_in_bytes")))
        name = "inactive_file" if self._unified else "total_inactive_file"
        for line in _read(place / "memory.stat").splitlines():
            if line.startswith(f"{name} "):
                return max(usage - int(line.split()[1]), 0)
        return usage

    def processes(self, path: str) -> int:
        """And threads."""
        return int(_read(self._pids / path.strip("/") / "pids.current"))

    def memory_levels(self, path: str) -> Iterator[Level]:
        """Of the cgroup and those above it, where memory is limited."""
        for level, place in _up(self._memory, path):
            limit = _number(place / ("memory.max" if self._unified else "memory.limit_in_bytes"))
            if limit < NO_LIMIT:
                yield Level(level, limit, max(limit - self.working_set(level), 0))

    def process_levels(self, path: str) -> Iterator[Level]:
        """Likewise, where processes are."""
        for level, place in _up(self._pids, path):
            limit = _number(place / "pids.max")
            if limit < NO_LIMIT:
                yield Level(level, limit, max(limit - self.processes(level), 0))


def memory_limit(path: str, system: Path = SYSTEM) -> int:
    """The least that is allowed to a cgroup and those above it, in bytes; NO_LIMIT where nobody limits it."""
    return min((level.limit for level in Reader(system).memory_levels(path)), default=NO_LIMIT)


def _up(tree: Path, path: str) -> Iterator[tuple[str, Path]]:
    """Those that exist, the nearest first; the root has no limits."""
    parts = [part for part in path.split("/") if part]
    while parts:
        place = tree.joinpath(*parts)
        if place.is_dir():
            yield "/" + "/".join(parts), place
        parts.pop()


def _number(file: Path) -> int:
    try:
        text = _read(file)
    except FileNotFoundError:  # the controller is off
        return NO_LIMIT
    return NO_LIMIT if text == "max" else int(text)


def _read(file: Path) -> str:
    return file.read_text().strip()
