"""Sets up all volumes of a pod, keeps their content current, and takes them down."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.node import kernel
from longboat.node.errors import VolumeError
from longboat.node.followed import Subject
from longboat.node.make import cgroups
from longboat.node.make.fields import Surroundings
from longboat.node.paths import Paths
from longboat.node.sources import Sources
from longboat.node.views.objects import ConfigMap, Secret
from longboat.node.views.pod import Pod
from longboat.node.views.volumes import TokenProjection, Volume
from longboat.node.volumes import config_map, downward_api, empty_dir, host_path, ownership, payload, projected, secret

FOLDERS = {
    "emptyDir": "kubernetes.io~empty-dir",
    "configMap": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "downwardAPI": "kubernetes.io~downward-api",
    "projected": "kubernetes.io~projected",
}
IN_MEMORY = ("secret", "projected")  # never on disk


class _Content(msgspec.Struct, frozen=True):
    """What volumes of one pod are filled with, fetched before a thread writes it."""

    config_maps: dict[str, ConfigMap | None] = {}
    secrets: dict[str, Secret | None] = {}
    tokens: dict[TokenProjection, str] = {}


class Volumes:
    """One per agent. `on_disk` is False for simulated nodes: sources are asked for, but nothing is written."""

    def __init__(self, paths: Paths, sources: Sources, *, on_disk: bool = True) -> None:
        self._paths, self._sources, self._on_disk = paths, sources, on_disk

    async def set_up(self, pod: Pod, around: Surroundings) -> dict[str, Path]:
        """Make every volume what it should be now; by name, where it lies. Raises VolumeError."""
        content = await self._fetch(pod)
        payloads = {
            volume.name: files
            for volume in pod.spec.volumes
            if (files := _files(pod, volume, content, around)) is not None
        }
        if not self._on_disk:
            return {volume.name: Path("/") for volume in pod.spec.volumes}
        self._sources.follow(pod, _subjects(pod))
        return await asyncio.to_thread(self._write, pod, payloads)

    async def tear_down(self, uid: str) -> None:
        """Remove everything of a pod. Raises OSError."""
        self._sources.unfollow(uid)
        if self._on_disk:
            await asyncio.to_thread(remove, self._paths.pod(uid))

    @staticmethod
    def changes(pod: Pod) -> bool:
        """Whether the content of any volume may change while the pod runs."""
        return any(v.configMap or v.secret or v.projected or v.downwardAPI for v in pod.spec.volumes)

    async def _fetch(self, pod: Pod) -> _Content:
        content = _Content()
        references = [(volume, *found) for volume in pod.spec.volumes for found in _references(volume)]
        await asyncio.gather(*(self._fetch_one(pod, *reference, content) for reference in references))
        return content

    async def _fetch_one(
        self, pod: Pod, volume: Volume, kind: str, wanted: str | TokenProjection, content: _Content
    ) -> None:
        try:
            if isinstance(wanted, TokenProjection):
                content.tokens[wanted] = await self._sources.token(pod, wanted)
            elif kind == "configmap":
                content.config_maps[wanted] = await self._sources.config_map(Key(pod.metadata.namespace, wanted))
            else:
                content.secrets[wanted] = await self._sources.secret(Key(pod.metadata.namespace, wanted))
        except (StatusError, OSError) as error:
            why = "failed to fetch token" if kind == "token" else f"failed to fetch {kind} {wanted}"
            raise VolumeError(volume.name, f"{why}: {error}") from error

    def _write(self, pod: Pod, payloads: Mapping[str, payload.Payload]) -> dict[str, Path]:
        places = {}
        for volume in pod.spec.volumes:
            try:
                places[volume.name] = self._write_one(pod, volume, payloads.get(volume.name))
            except (OSError, ValueError) as error:
                raise VolumeError(volume.name, str(error)) from error
        return places

    def _write_one(self, pod: Pod, volume: Volume, files: payload.Payload | None) -> Path:
        if volume.hostPath:
            return host_path.set_up(volume.hostPath)
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
        if not place.exists():
            place.mkdir(parents=True)
            if kind in IN_MEMORY:
                empty_dir.mount_memory(place)
            place.chmod(empty_dir.MODE)
        payload.write(place, files, security.fsGroup)
        return place


def _kind(volume: Volume) -> str:
    """The field that says what it is made of. Raises VolumeError for a type this node does not know."""
    for kind in FOLDERS:
        if getattr(volume, kind) is not None:
            return kind
    raise VolumeError(volume.name, "no volume plugin matched")


def _references(volume: Volume) -> Iterator[tuple[str, str | TokenProjection]]:
    """What has to be fetched for a volume."""
    if volume.configMap:
        yield "configmap", volume.configMap.name
    if volume.secret:
        yield "secret", volume.secret.secretName
    for projection in volume.projected.sources if volume.projected else ():
        if projection.configMap:
            yield "configmap", projection.configMap.name
        if projection.secret:
            yield "secret", projection.secret.name
        if projection.serviceAccountToken:
            yield "token", projection.serviceAccountToken


def _subjects(pod: Pod) -> Iterator[Subject]:
    """What has to be followed for the volumes to stay current."""
    for volume in pod.spec.volumes:
        for kind, wanted in _references(volume):
            if isinstance(wanted, str):
                yield Subject(ConfigMap if kind == "configmap" else Secret, Key(pod.metadata.namespace, wanted))


def _files(pod: Pod, volume: Volume, content: _Content, around: Surroundings) -> payload.Payload | None:
    """The files of a volume that consists of some; None for one that does not. Raises VolumeError."""
    make = _maker(pod, volume, content, around)
    if make is None:
        return None
    try:
        return make()
    except ValueError as error:
        raise VolumeError(volume.name, str(error)) from error


def _maker(pod: Pod, volume: Volume, content: _Content, around: Surroundings) -> Callable[[], payload.Payload] | None:
    if c := volume.configMap:
        return lambda: config_map.files(content.config_maps[c.name], c.items, c.defaultMode, c.optional, c.name)
    if s := volume.secret:
        return lambda: secret.files(content.secrets[s.secretName], s.items, s.defaultMode, s.optional, s.secretName)
    if d := volume.downwardAPI:
        return lambda: downward_api.files(pod, d.items, d.defaultMode, around)
    if p := volume.projected:
        return lambda: projected.files(pod, p, content.config_maps, content.secrets, content.tokens, around)
    return None


def remove(place: Path) -> None:
    """Unmount all that is beneath a pod's directory, then delete it, never through a mount. Raises OSError."""
    for point in kernel.mount_points(place):
        kernel.unmount(point)
    if kernel.mount_points(place):
        raise OSError(f"{place} still holds mounts")
    with suppress(FileNotFoundError):
        shutil.rmtree(place)
