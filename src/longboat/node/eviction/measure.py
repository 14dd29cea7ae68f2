"""Finds out what pods have taken: of writable layers the runtime knows, directories are looked through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from longboat.node import labels
from longboat.node.cri.interface import Runtime, RuntimeFailure, Usage
from longboat.node.eviction.cgroup import Reader
from longboat.node.eviction.usage import ContainerUse, Disk, PodUse
from longboat.node.eviction.walk import Walks
from longboat.node.make import cgroups
from longboat.node.paths import Paths
from longboat.node.views.pod import Pod
from longboat.node.volumes import catalog

log = logging.getLogger(__name__)
UNLIMITED = float("inf")
PATIENCE = 5.0  # seconds for one pod where the disk runs short: more could be too late
Usages = Mapping[str, Usage]  # by container


class Measure:
    """One per agent. `cgroup_root` is above the cgroups of all pods."""

    def __init__(
        self, runtime: Runtime, paths: Paths, walks: Walks, cgroup_root: str = "/", reader: Reader | None = None
    ) -> None:
        self._runtime, self._paths, self._walks = runtime, paths, walks
        self._cgroup_root, self._reader = cgroup_root, reader or Reader()

    async def pod(self, pod: Pod, enough: Mapping[str, float]) -> PodUse:
        """What it has on disk. `enough` is by volume, "" for the pod as a whole: after how many bytes it need not be
        known more exactly. Raises RuntimeFailure, OSError."""
        usages = {usage.name: usage for usage in await self._runtime.usage(pod.uid)}
        return await self._disk(pod, usages, enough)

    async def disks(self, pods: Iterable[Pod]) -> dict[str, PodUse]:
        """What all have on disk, as far as it could be found out in a few seconds, by uid."""
        listed, usages = list(pods), await self._usages()
        tried = await asyncio.gather(
            *(self._disk(pod, usages.get(pod.uid, {}), {}, PATIENCE) for pod in listed), return_exceptions=True
        )
        found = {}
        for pod, outcome in zip(listed, tried, strict=True):
            if isinstance(outcome, OSError):
                log.warning("cannot see how much %s has written: %s", pod, outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                found[pod.uid] = outcome
        return found

    async def processes(self, pods: Iterable[Pod]) -> dict[str, PodUse]:
        """Memory and processes of all, by uid."""
        return await asyncio.to_thread(self._accounts, list(pods), await self._usages())

    async def _usages(self) -> dict[str, dict[str, Usage]]:
        """What the runtime has measured, by pod: without it, there is less to go by."""
        found: dict[str, dict[str, Usage]] = {}
        try:
            for usage in await self._runtime.usage():
                found.setdefault(usage.labels.get(labels.POD_UID, ""), {})[usage.name] = usage
        except RuntimeFailure as failure:
            log.warning("the runtime does not say what containers use: %s", failure)
        return found

    def _accounts(self, pods: Iterable[Pod], usages: Mapping[str, Usages]) -> dict[str, PodUse]:
        found = {}
        for pod in pods:
            place = cgroups.pod_parent(self._cgroup_root, pod)
            containers = {name: _container(usage, Disk()) for name, usage in usages.get(pod.uid, {}).items()}
            try:
                memory, processes = self._reader.working_set(place), self._reader.processes(place)
                found[pod.uid] = PodUse(memory=memory, processes=processes, containers=containers)
            except FileNotFoundError:
                found[pod.uid] = PodUse()  # nothing of it runs yet
            except OSError as error:
                log.warning("cannot see what %s uses: %s", pod, error)
        return found

    async def _disk(
        self, pod: Pod, usages: Usages, enough: Mapping[str, float], patience: float | None = None
    ) -> PodUse:  # fmt: skip
        whole = enough.get("", UNLIMITED)
        logs = self._paths.pod_logs(pod)
        names = [container.name for container in pod.all_containers]
        volumes = local_volumes(pod, self._paths)
        places = [
            *((place, min(enough.get(name, UNLIMITED), whole)) for name, place in volumes.items()),
            *((logs / name, whole) for name in names),
            (self._paths.container(pod.uid, ""), whole),
            (self._paths.hosts_file(pod), whole),
        ]
        sizes = iter(await self._walks.measure(places, patience))
        by_volume = {name: next(sizes) for name in volumes}
        by_container = {name: next(sizes) for name in names}
        rest = Disk().plus(*sizes)
        containers = {
            name: _container(usages[name], used) if name in usages else ContainerUse(logs=used)
            for name, used in by_container.items()
        }
        return PodUse(volumes=by_volume, containers=containers, rest=rest)


def local_volumes(pod: Pod, paths: Paths) -> dict[str, Path]:
    """Directories on the node's disk that come and go with the pod, by volume."""
    found = {}
    for volume in pod.spec.volumes:
        plugin = catalog.of(pod, volume)
        if plugin is not None and plugin.is_local_ephemeral(volume):
            found[volume.name] = paths.volumes(pod.uid) / plugin.folder() / volume.name
    return found


def _container(usage: Usage, logs: Disk) -> ContainerUse:
    return ContainerUse(memory=usage.memory, root=Disk(usage.disk, usage.inodes), logs=logs)
