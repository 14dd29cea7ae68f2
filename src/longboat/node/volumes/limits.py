"""emptyDir volumes that have outgrown their sizeLimit cost the pod its place (kubelet's local storage eviction)."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.machinery import quantity
from longboat.node.paths import Paths
from longboat.node.views.pod import Pod
from longboat.node.volumes import tree

log = logging.getLogger(__name__)
EVERY = 10.0  # seconds between looks (kubelet, monitoring interval)
EMPTY_DIR = "kubernetes.io~empty-dir"


def limited(pod: Pod) -> dict[str, str]:
    """The volumes on disk that may not grow beyond a size, with that size as it is written."""
    return {
        volume.name: volume.emptyDir.sizeLimit
        for volume in pod.spec.volumes
        if volume.emptyDir is not None and volume.emptyDir.sizeLimit and volume.emptyDir.medium != "Memory"
    }


def used(folder: Path) -> int:
    """Bytes on disk beneath a directory; files with several names count once. Blocks. Raises OSError."""
    seen: set[tuple[int, int]] = set()
    total = 0
    try:
        for where, name in tree.entries(folder):
            try:
                found = os.stat(name, dir_fd=where, follow_symlinks=False)
            except FileNotFoundError:
                continue  # the pod is at work
            if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                if (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
            total += found.st_blocks * 512
    except tree.Moved:
        log.info("directories in %s are moved about: at least %d bytes are in use", folder, total)
    return total


def outgrown(pod: Pod, paths: Paths) -> str:
    """What is wrong, in the kubelet's words; "" if nothing is. Blocks. Raises OSError."""
    for name, limit in limited(pod).items():
        try:
            has = used(paths.volumes(pod.uid) / EMPTY_DIR / name)
        except FileNotFoundError:
            continue  # it is still to be made
        if has > quantity.parse(limit).value:
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    return ""


class Limits:
    """`evict` is told a pod's uid and why."""

    def __init__(
        self, clock: Clock, paths: Paths, pods: Callable[[], Iterable[Pod]], evict: Callable[[str, str], None]
    ) -> None:
        self._clock, self._paths, self._pods, self._evict = clock, paths, pods, evict

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(EVERY)
            for pod in self._pods():
                if limited(pod) and not pod.is_finished and pod.metadata.deletionTimestamp is None:
                    await self._look_at(pod)

    async def _look_at(self, pod: Pod) -> None:
        try:
            why = await asyncio.to_thread(outgrown, pod, self._paths)
        except OSError as error:
            log.warning("cannot see how large the volumes of %s are: %s", pod, error)
            return
        if why:
            self._evict(pod.uid, why)
