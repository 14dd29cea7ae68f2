"""Volumes that are there before the pod and after it, and those drivers make for it: claims, nfs, CSI."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.aio.threads import aside, to_the_end
from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import timestamp
from longboat.node.csi import wanted as csi
from longboat.node.csi.errors import RpcFailure
from longboat.node.csi.mounter import CsiVolumes
from longboat.node.errors import VolumeError, no_plugin, unprocessed, words
from longboat.node.paths import Paths
from longboat.node.recorder import NORMAL, WARNING, Recorder
from longboat.node.views.pod import Pod
from longboat.node.views.storage import Claim, PersistentVolume
from longboat.node.views.volumes import Volume
from longboat.node.volumes import claims, growth, host_path, local, nfs
from longboat.node.volumes.claims import Unbound
from longboat.node.volumes.cluster import Storage

NEVER = ("INVALID_ARGUMENT", "OUT_OF_RANGE", "NOT_FOUND")  # codes that trying again does not change


class Persistent:
    """`on_disk` is False for simulated nodes: claims are looked at, but nothing is mounted."""

    def __init__(
        self, storage: Storage, drivers: CsiVolumes, paths: Paths, clock: Clock, recorder: Recorder, node: str, *,
        on_disk: bool = True,
    ) -> None:  # fmt: skip
        self._storage, self._csi, self._paths, self._node = storage, drivers, paths, node
        self._clock, self._recorder, self._on_disk = clock, recorder, on_disk
        self._nfs = nfs.Mounts(paths, clock)

    @staticmethod
    def handles(volume: Volume) -> bool:
        return bool(volume.persistentVolumeClaim or volume.ephemeral or volume.nfs or volume.csi)

    async def set_up(self, pod: Pod, volume: Volume) -> Path:
        """Where the volume lies; a device's path where it is used as one. Raises VolumeError."""
        if key := claims.claim_of(pod, volume):
            return await self._claimed(pod, volume, key)
        if not self._on_disk:
            return Path("/")
        if volume.csi is not None:
            return await self._csi.set_up(pod, csi.inline(pod, volume))
        assert volume.nfs is not None
        return await self._nfs.set_up(pod.uid, volume.name, volume.nfs, (), read_only=False)

    async def tear_down(self, uid: str) -> None:
        """Those that need more than to be detached. Raises StillMounted, OSError."""
        if self._on_disk:
            await self._nfs.tear_down(uid)
            await self._csi.tear_down(uid)

    async def tidy(self) -> None:
        """What no pod uses any more. Raises StatusError, ConnectionError, OSError."""
        if self._on_disk:
            await self._csi.tidy()
            await to_the_end(local.tidy, self._paths)

    async def close(self) -> None:
        await self._nfs.close()

    async def _claimed(self, pod: Pod, volume: Volume, key: Key) -> Path:
        claim, bound = await self._resolve(pod, volume, key)
        name = bound.metadata.name
        if bound.spec.nodeAffinity is not None and not await self._is_near(bound):
            raise VolumeError(name, "no matching NodeSelectorTerms", "MountVolume.NodeAffinity check")
        place = await self._mount(pod, volume, bound) if self._on_disk else Path("/")
        if growth.is_due(claim, bound):
            await self._grow(pod, key, bound, claims.is_read_only(volume))
        return place

    async def _resolve(self, pod: Pod, volume: Volume, key: Key) -> tuple[Claim, PersistentVolume]:
        """Raises VolumeError."""
        try:
            try:
                claim = await self._storage.claim(key)
            except (StatusError, ConnectionError) as error:
                raise Unbound(f"failed to fetch PVC from API server: {error}") from error
            claims.check_claim(pod, volume, claim)
            name = claim.spec.volumeName
            try:
                bound = await self._storage.volume(name)
            except (StatusError, ConnectionError) as error:
                raise Unbound(f"failed to fetch PV {name} from API server: {error}") from error
            claims.check_volume(pod, volume, claim, bound)
        except Unbound as problem:
            raise unprocessed(volume.name, f"error processing PVC {key}: {problem}") from problem
        return claim, bound

    async def _is_near(self, bound: PersistentVolume) -> bool:
        try:
            return claims.is_near(bound, await self._storage.node_labels(), self._node)
        except (StatusError, ConnectionError) as error:
            raise VolumeError(bound.metadata.name, str(error)) from error

    async def _mount(self, pod: Pod, volume: Volume, bound: PersistentVolume) -> Path:
        """Raises VolumeError."""
        spec, name, read_only = bound.spec, bound.metadata.name, claims.is_read_only(volume)
        if spec.csi is not None:
            return await self._csi.set_up(pod, csi.persistent(bound, read_only=read_only))
        if spec.hostPath is not None:
            return await _checked(name, aside(host_path.set_up, spec.hostPath))
        if spec.nfs is not None:
            return await self._nfs.set_up(pod.uid, name, spec.nfs, spec.mountOptions, read_only=read_only)
        if spec.local is not None:
            return await _checked(name, to_the_end(self._local, pod, bound, read_only))
        raise no_plugin(volume.name, name)

    def _local(self, pod: Pod, bound: PersistentVolume, read_only: bool) -> Path:
        """Blocks. Raises OSError and ValueError."""
        source, name = bound.spec.local, bound.metadata.name
        assert source is not None
        if bound.spec.volumeMode == "Block":
            return local.device(source)
        place = self._paths.volumes(pod.uid) / local.FOLDER / name
        staging = local.staging(self._paths) / name
        is_new = local.set_up(source, place, staging, bound.spec.mountOptions, read_only=read_only)
        if is_new and not read_only:
            local.give_to_group(place, pod.spec.securityContext)
        return place

    async def _grow(self, pod: Pod, key: Key, bound: PersistentVolume, read_only: bool) -> None:
        """It is the node's turn to make a volume larger. What fails is told, and tried again."""
        name = bound.metadata.name
        try:
            if bound.spec.csi is not None and self._on_disk:
                await self._csi.expand(pod, csi.persistent(bound, read_only=read_only))
            await self._storage.patch_claim(key, growth.finished(bound))
        except (RpcFailure, LookupError, ValueError, StatusError, ConnectionError) as error:
            why = f'NodeExpandVolume.NodeExpandVolume failed for volume "{name}" : {error}'
            self._recorder.pod(pod, WARNING, "VolumeResizeFailed", why)
            if isinstance(error, RpcFailure) and error.code in NEVER:
                await self._give_up(key, why)
            return
        said = f'MountVolume.NodeExpandVolume succeeded for volume "{name}" {self._node}'
        self._recorder.pod(pod, NORMAL, "FileSystemResizeSuccessful", said)

    async def _give_up(self, key: Key, why: str) -> None:
        try:
            await self._storage.patch_claim(key, growth.failed(timestamp(self._clock.now()), why))
        except (StatusError, ConnectionError) as error:
            raise VolumeError(key.name, str(error)) from error


async def _checked(name: str, work: Awaitable[Path]) -> Path:
    """Raises VolumeError."""
    try:
        return await work
    except local.Missing as error:
        raise VolumeError(name, str(error), "MountVolume.NewMounter initialization") from error
    except (OSError, ValueError) as error:
        raise VolumeError(name, words(error)) from error
