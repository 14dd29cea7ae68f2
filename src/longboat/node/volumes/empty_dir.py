"""emptyDir volumes: a directory that lives as long as its pod, on disk or in memory."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from longboat.machinery import quantity
from longboat.node import kernel
from longboat.node.make import cgroups
from longboat.node.views.volumes import EmptyDirSource, Volume
from longboat.node.volumes import ownership
from longboat.node.volumes.plugin import SetUp, Spec, VolumePlugin

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


class EmptyDirPlugin(VolumePlugin):
    NAME, FIELD = "kubernetes.io/empty-dir", "emptyDir"

    @classmethod
    def is_local_ephemeral(cls, volume: Volume) -> bool:
        return volume.emptyDir is not None and not volume.emptyDir.medium

    async def new_mounter(self, spec: Spec) -> SetUp:
        return lambda: asyncio.to_thread(self._make, spec)

    def _make(self, spec: Spec) -> Path:
        """Blocks. Raises OSError, ValueError."""
        place, security = self.place(spec), spec.pod.spec.securityContext
        is_new = not place.exists()
        set_up(place, self.source(spec), cgroups.pod_limits(spec.pod).memory)
        if is_new and security.fsGroup is not None:
            mismatch_only = security.fsGroupChangePolicy == "OnRootMismatch"
            ownership.give_to(place, security.fsGroup, only_if_root_differs=mismatch_only)
        return place
