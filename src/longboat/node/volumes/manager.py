"""Sets up all volumes of a pod, keeps their content current, and takes them down."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from longboat.client.interface import Key
from longboat.node import kernel
from longboat.node.errors import Unmounted, VolumeError, no_plugin, words
from longboat.node.followed import Subject
from longboat.node.make.fields import Surroundings
from longboat.node.views.objects import ConfigMap, Secret
from longboat.node.views.pod import Pod
from longboat.node.views.volumes import Volume
from longboat.node.volumes import catalog, claims, removal
from longboat.node.volumes.persistent import Persistent
from longboat.node.volumes.plugin import Host, Spec, VolumePlugin


class Volumes:
    """One per agent. Simulated nodes have others (`simulated/stand_ins.py`)."""

    def __init__(self, host: Host, persistent: Persistent) -> None:
        self._paths, self._sources, self._persistent = host.paths, host.sources, persistent
        self._plugins = [plugin(host) for plugin in catalog.PLUGINS]

    async def set_up(self, pod: Pod, around: Surroundings) -> dict[str, Path]:
        """Make every volume what it should be now; by name, where it lies. Raises Unmounted, once all were tried."""
        volumes = [v for v in pod.spec.volumes if not ((kind := catalog.of(pod, v)) and kind.BY_CONTAINERS)]
        tried = await asyncio.gather(*(self._set_up(pod, v, around) for v in volumes), return_exceptions=True)
        places, problems = dict[str, Path](), dict[str, VolumeError]()
        for volume, outcome in zip(volumes, tried, strict=True):
            if isinstance(outcome, VolumeError):
                problems[volume.name] = outcome
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                places[volume.name] = outcome
        if problems:
            raise Unmounted(problems)
        self._follow(pod)
        return places

    async def tear_down(self, uid: str) -> None:
        """Remove everything of a pod; what is to last stays. Raises RuntimeFailure, StillMounted, OSError."""
        self._sources.unfollow(uid)
        # Parts of a volume are mounts of it as well: with them it would not be free when its driver lets go of it.
        await asyncio.to_thread(detach, self._paths.sub_paths(uid))
        for plugin in self._plugins:
            await plugin.tear_down(uid)
        await asyncio.to_thread(remove, self._paths.pod(uid))

    async def close(self) -> None:
        """End what is under way."""
        for plugin in self._plugins:
            await plugin.close()

    async def tidy(self) -> None:
        """What no pod uses any more. Raises StatusError, ConnectionError, OSError."""
        for plugin in self._plugins:
            await plugin.tidy()

    @staticmethod
    def changes(pod: Pod) -> bool:
        """Whether any volume, or its content, may change while the pod runs."""
        for volume in pod.spec.volumes:
            plugin = catalog.of(pod, volume)
            if claims.claim_of(pod, volume) or (plugin is not None and plugin.REQUIRES_REMOUNT):
                return True
        return False

    async def _set_up(self, pod: Pod, volume: Volume, around: Surroundings) -> Path:
        """Raises VolumeError."""
        spec = await self._persistent.spec(pod, volume, around)
        place = await self._mount(spec, next((plugin for plugin in self._plugins if plugin.can_support(spec)), None))
        await self._persistent.grow(spec)
        return place

    async def _mount(self, spec: Spec, plugin: VolumePlugin | None) -> Path:
        """Raises VolumeError."""
        if plugin is None:
            raise no_plugin(spec.volume.name, spec.name)
        set_up = await plugin.new_mounter(spec)
        try:
            return await set_up()
        except (OSError, ValueError) as error:
            raise VolumeError(spec.name, words(error)) from error

    def _follow(self, pod: Pod) -> None:
        """Hear of changes to what its volumes are made of."""
        self._sources.follow(pod, subjects(pod))


def subjects(pod: Pod) -> Iterator[Subject]:
    """What has to be followed for the volumes to stay current."""
    for volume in pod.spec.volumes:
        plugin = catalog.of(pod, volume)
        for kind, wanted in plugin.references(volume) if plugin is not None else ():
            if isinstance(wanted, str):
                yield Subject(ConfigMap if kind == "configmap" else Secret, Key(pod.metadata.namespace, wanted))


def detach(place: Path) -> None:
    """Detach all that is mounted beneath a directory. Raises OSError."""
    for point in kernel.mount_points(place):
        kernel.unmount(point)
    if kernel.mount_points(place):
        raise OSError(f"{place} still holds mounts")


def remove(place: Path) -> None:
    """Detach all that is mounted beneath a pod's directory, then delete it, never through a mount. Raises OSError."""
    detach(place)
    removal.remove_tree(place)
