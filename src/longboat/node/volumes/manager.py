"""Sets up all volumes of a pod, keeps their content current, and takes them down."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

from longboat.aio.threads import aside
from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.node import kernel
from longboat.node.errors import Unmounted, VolumeError, no_plugin, words
from longboat.node.make import cgroups
from longboat.node.make.fields import Surroundings
from longboat.node.paths import Paths
from longboat.node.sources import Sources
from longboat.node.views.pod import Pod
from longboat.node.views.volumes import TokenProjection, Volume
from longboat.node.volumes import claims, content, empty_dir, host_path, ownership, payload, removal
from longboat.node.volumes.content import Content
from longboat.node.volumes.image import ImageVolumes
from longboat.node.volumes.persistent import Persistent

FOLDERS = {
    "emptyDir": "kubernetes.io~empty-dir",
    "configMap": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "downwardAPI": "kubernetes.io~downward-api",
    "projected": "kubernetes.io~projected",
}
IN_MEMORY = ("secret", "projected")  # never on disk


class Volumes:
    """One per agent. `on_disk` is False for simulated nodes: sources are asked for, but nothing is written."""

    def __init__(
        self, paths: Paths, sources: Sources, persistent: Persistent, images: ImageVolumes, *, on_disk: bool = True
    ) -> None:
        self._paths, self._sources, self._persistent, self._on_disk = paths, sources, persistent, on_disk
        self._images = images

    async def set_up(self, pod: Pod, around: Surroundings) -> dict[str, Path]:
        """Make every volume what it should be now; by name, where it lies. Raises Unmounted, once all were tried.

        Images are found and shown when containers are started.
        """
        volumes = [volume for volume in pod.spec.volumes if volume.image is None]
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
        if self._on_disk:
            self._sources.follow(pod, content.subjects(pod))
        return places

    async def tear_down(self, uid: str) -> None:
        """Remove everything of a pod; what is to last stays. Raises RuntimeFailure, OSError."""
        self._sources.unfollow(uid)
        if self._on_disk:
            # Parts of a volume are mounts of it as well: with them it would not be free when its driver lets go of it.
            await asyncio.to_thread(detach, self._paths.sub_paths(uid))
            await self._images.tear_down(uid)
            await self._persistent.tear_down(uid)
            await asyncio.to_thread(remove, self._paths.pod(uid))

    async def close(self) -> None:
        """End what is under way."""
        await self._images.close()

    async def tidy(self) -> None:
        """What no pod uses any more. Raises StatusError, ConnectionError, OSError."""
        await self._persistent.tidy()

    @staticmethod
    def changes(pod: Pod) -> bool:
        """Whether any volume, or its content, may change while the pod runs."""
        return any(
            v.configMap or v.secret or v.projected or v.downwardAPI or claims.claim_of(pod, v) or v.csi
            for v in pod.spec.volumes
        )

    async def _set_up(self, pod: Pod, volume: Volume, around: Surroundings) -> Path:
        """Raises VolumeError."""
        if volume.gitRepo is not None:  # never: it ran git as root on what users name (CVE-2024-10220)
            raise VolumeError(volume.name, "git-repo volume plugin has been disabled")
        if self._persistent.handles(volume):
            return await self._persistent.set_up(pod, volume)
        files = content.files(pod, volume, await self._fetch(pod, volume), around)
        if not self._on_disk:
            return Path("/")
        try:
            if volume.hostPath is not None:
                return await aside(host_path.set_up, volume.hostPath)
            return await asyncio.to_thread(self._write, pod, volume, files)
        except (OSError, ValueError) as error:
            raise VolumeError(volume.name, words(error)) from error

    async def _fetch(self, pod: Pod, volume: Volume) -> Content:
        found = Content()
        references = content.references(volume)
        await asyncio.gather(*(self._fetch_one(pod, volume, *reference, found) for reference in references))
        return found

    async def _fetch_one(
        self, pod: Pod, volume: Volume, kind: str, wanted: str | TokenProjection, found: Content
    ) -> None:
        try:
            if isinstance(wanted, TokenProjection):
                found.tokens[wanted] = await self._sources.token(pod, wanted)
            elif kind == "configmap":
                found.config_maps[wanted] = await self._sources.config_map(Key(pod.metadata.namespace, wanted))
            else:
                found.secrets[wanted] = await self._sources.secret(Key(pod.metadata.namespace, wanted))
        except (StatusError, OSError) as error:
            why = "failed to fetch token" if kind == "token" else f"failed to fetch {kind} {wanted}"
            raise VolumeError(volume.name, f"{why}: {error}") from error

    def _write(self, pod: Pod, volume: Volume, files: payload.Payload | None) -> Path:
        """Blocks. Raises OSError, ValueError, VolumeError."""
        kind = _kind(volume)
        place = self._paths.volumes(pod.uid) / FOLDERS[kind] / volume.name
        security = pod.spec.securityContext
        if volume.emptyDir:
            is_new = not place.exists()
            empty_dir.set_up(place, volume.emptyDir, cgroups.pod_limits(pod).memory)
            if is_new and security.fsGroup is not None:
                mismatch_only = security.fsGroupChangePolicy == "OnRootMismatch"
                ownership.give_to(place, security.fsGroup, only_if_root_differs=mismatch_only)
            return place
        assert files is not None
        place.mkdir(parents=True, exist_ok=True)
        if kind in IN_MEMORY and not os.path.ismount(place):  # also where the machine was started anew
            empty_dir.mount_memory(place)
        if stat.S_IMODE(place.stat().st_mode) != empty_dir.MODE:
            place.chmod(empty_dir.MODE)
        payload.write(place, files, security.fsGroup)
        return place


def _kind(volume: Volume) -> str:
    """The field that says what it is made of. Raises VolumeError."""
    for kind in FOLDERS:
        if getattr(volume, kind) is not None:
            return kind
    raise no_plugin(volume.name, volume.name)


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
