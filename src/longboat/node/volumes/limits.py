"""emptyDir volumes that have outgrown their sizeLimit cost the pod its place (kubelet's local storage eviction)."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.machinery import quantity
from longboat.node.paths import Paths
from longboat.node.views.pod import Pod

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
    """Bytes on disk beneath a directory; files with several names count once. Blocks."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for directory, names, files in os.walk(folder):
        for name in (*names, *files):
            try:
                found = os.lstat(os.path.join(directory, name))
            except FileNotFoundError:
                continue  # the pod is at work
            if found.st_nlink > 1 and (found.st_dev, found.st_ino) in seen:
                continue
            seen.add((found.st_dev, found.st_ino))
            total += found.st_blocks * 512
    return total


def outgrown(pod: Pod, paths: Paths) -> str:
    """What is wrong, in the kubelet's words; "" if nothing is. Blocks."""
    for name, limit in limited(pod).items():
        if used(paths.volumes(pod.uid) / EMPTY_DIR / name) > quantity.parse(limit).value:
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
