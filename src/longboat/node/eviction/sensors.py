"""Looks how much a node has left: a few system calls and small files, nothing that grows with what pods have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from longboat.node.cgroups import SYSTEM
from longboat.node.eviction import signals
from longboat.node.eviction.cgroup import Level, Reader
from longboat.node.eviction.signals import Observation
from longboat.node.make.cgroups import GUARANTEED, qos_parent

PROC = Path("/proc")


class Sensors:
    """`root` is where pods' files are, `cgroup` that above all pods' (the node's own). `images` is where the runtime
    keeps images and writable layers."""

    def __init__(self, root: Path, cgroup: str, system: Path = SYSTEM, proc: Path = PROC) -> None:
        self._root, self._own, self._proc = root, cgroup.rstrip("/"), proc
        self._pods = qos_parent(cgroup, GUARANTEED)
        self._reader = Reader(system)
        self.images, self.dedicated = root, False

    def use_images(self, place: Path) -> None:
        """From now on images and writable layers are known to lie there, perhaps on another file system than the rest
        (`dedicated`). Blocks. Raises OSError."""
        self.dedicated = os.stat(place).st_dev != os.stat(self._root).st_dev
        self.images = place

    def read(self) -> dict[str, Observation]:
        """Blocks. Raises OSError."""
        return {
            **dict(_file_system(self._root, signals.NODEFS, signals.NODEFS_INODES)),
            **dict(_file_system(self.images, signals.IMAGEFS, signals.IMAGEFS_INODES)),
            **dict(self._memory()),
            signals.PIDS: self._processes(),
        }

    def _memory(self) -> Iterator[tuple[str, Observation]]:
        """The machine's; and the pods' own, where they may not have all of it."""
        fields = dict(line.split(":", 1) for line in (self._proc / "meminfo").read_text().splitlines())
        total, available = (int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
        yield signals.MEMORY, Observation(available, total, "memory")
        levels = [level for level in self._reader.memory_levels(self._pods) if level.limit < total]
        if levels:
            yield signals.ALLOCATABLE_MEMORY, self._tightest(levels, "memory")

    def _processes(self) -> Observation:
        """Whichever is closer to its end: the machine's, or the node's own."""
        kernel = self._proc / "sys" / "kernel"
        most = min(int((kernel / name).read_text()) for name in ("pid_max", "threads-max"))
        running = int((self._proc / "loadavg").read_text().split()[3].partition("/")[2])
        machine = Observation(max(most - running, 0), most, "processes")
        levels = [level for level in self._reader.process_levels(self._pods) if level.limit < most]
        own = [self._tightest(levels, "processes")] if levels else []
        return min([machine, *own], key=lambda seen: seen.available)

    def _tightest(self, levels: list[Level], what: str) -> Observation:
        found = min(levels, key=lambda level: level.available)
        is_own = bool(self._own) and f"{found.path}/".startswith(f"{self._own}/")
        return Observation(found.available, found.limit, "" if is_own else f"{what} of {found.path}")


def _file_system(place: Path, space: str, inodes: str) -> Iterator[tuple[str, Observation]]:
    """Some file systems make inodes as they need them: there they do not run short."""
    found, device = os.statvfs(place), os.stat(place).st_dev
    source = f"disk {os.major(device)}:{os.minor(device)}"
    yield space, Observation(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, source)
    if found.f_files:
        yield inodes, Observation(found.f_ffree, found.f_files, source)
