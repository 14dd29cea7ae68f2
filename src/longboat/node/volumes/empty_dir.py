"""emptyDir volumes: a directory that lives as long as its pod, on disk or in memory."""

from __future__ import annotations

import os
from pathlib import Path

from longboat.machinery import quantity
from longboat.node import kernel
from longboat.node.views.volumes import EmptyDirSource

MODE = 0o777


def set_up(place: Path, source: EmptyDirSource, memory_limit: int) -> None:
    """`memory_limit` is the pod's, in bytes (0: none). Raises OSError."""
    place.mkdir(parents=True, exist_ok=True)
    if source.medium == "Memory" and not os.path.ismount(place):
        mount_memory(place, size(source, memory_limit))
    if place.stat().st_mode & 0o777 != MODE:
        place.chmod(MODE)


def mount_memory(place: Path, limit: int = 0) -> None:
    """A tmpfs of at most `limit` bytes (0: the kernel's own limit)."""
    kernel.mount("tmpfs", place, "tmpfs", options=f"size={limit}" if limit else "")


def size(source: EmptyDirSource, memory_limit: int) -> int:
    """The smaller of what the volume and the pod may take; 0 where neither says."""
    wanted = quantity.parse(source.sizeLimit).value if source.sizeLimit else 0
    return min(filter(None, (wanted, memory_limit)), default=0)
