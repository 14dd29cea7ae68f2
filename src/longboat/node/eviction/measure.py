"""Finds out what pods have taken: of writable layers the runtime knows, directories are looked through."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from longboat.node.cri.interface import Runtime, Usage
from longboat.node.eviction.usage import ContainerUse, Disk, PodUse
from longboat.node.eviction.walk import Walks
from longboat.node.paths import Paths
from longboat.node.views.pod import Pod
from longboat.node.volumes.manager import FOLDERS

UNLIMITED = float("inf")


class Measure:
    """One per agent."""

    def __init__(self, runtime: Runtime, paths: Paths, walks: Walks) -> None:
        self._runtime, self._paths, self._walks = runtime, paths, walks

    async def pod(
        self, pod: Pod, enough: Mapping[str, float] | None = None, patience: float | None = None
    ) -> PodUse:  # fmt: skip
        """`enough` is by volume, "" for the pod as a whole: after how many bytes it need not be known more exactly.
        `patience` is in seconds for each directory. Raises RuntimeFailure, OSError."""
        enough = enough or {}
        whole = enough.get("", UNLIMITED)
        logs = self._paths.pod_logs(pod)
        names = [container.name for container in pod.all_containers]
        volumes = local_volumes(pod, self._paths)
        places = [
            *((place, min(enough.get(name, UNLIMITED), whole)) for name, place in volumes.items()),
            *((logs / name, whole) for name in names),
            (self._paths.container(pod.uid, ""), whole),
        ]
        sizes = iter([await self._walks.measure(place, limit, patience) for place, limit in places])
        by_volume = {name: next(sizes) for name in volumes}
        by_container = {name: next(sizes) for name in names}
        rest = next(sizes).plus(await asyncio.to_thread(_file, self._paths.hosts_file(pod)))
        measured = {usage.name: usage for usage in await self._runtime.usage(pod.uid)}
        return PodUse(
            volumes=by_volume,
            containers={
                name: _container(measured[name], by_container[name])
                if name in measured
                else ContainerUse(logs=by_container[name])
                for name in names
            },
            rest=rest,
        )


def local_volumes(pod: Pod, paths: Paths) -> dict[str, Path]:
    """Directories on the node's disk that come and go with the pod, by volume."""
    found = {}
    for volume in pod.spec.volumes:
        kind = "emptyDir" if volume.emptyDir is not None else "configMap" if volume.configMap is not None else ""
        if kind and not (volume.emptyDir is not None and volume.emptyDir.medium):
            found[volume.name] = paths.volumes(pod.uid) / FOLDERS[kind] / volume.name
    return found


def _container(usage: Usage, logs: Disk) -> ContainerUse:
    return ContainerUse(memory=usage.memory, root=Disk(usage.disk, usage.inodes), logs=logs)


def _file(path: Path) -> Disk:
    try:
        return Disk(os.lstat(path).st_blocks * 512, 1)
    except FileNotFoundError:
        return Disk()
