"""What stands behind a pod's volume that is a claim, and its growth once it is mounted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from longboat.aio.clock import Clock
from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import timestamp
from longboat.node.csi import wanted as csi
from longboat.node.csi.errors import RpcFailure
from longboat.node.errors import VolumeError, unprocessed
from longboat.node.make.fields import Surroundings
from longboat.node.recorder import NORMAL, WARNING, Recorder
from longboat.node.views.pod import Pod
from longboat.node.views.storage import Claim, PersistentVolume
from longboat.node.views.volumes import Volume
from longboat.node.volumes import claims, growth
from longboat.node.volumes.claims import Unbound
from longboat.node.volumes.cluster import Storage
from longboat.node.volumes.plugin import Spec

NEVER = ("INVALID_ARGUMENT", "OUT_OF_RANGE", "NOT_FOUND")  # codes that trying again does not change


Expand = Callable[[Pod, csi.Wanted], Awaitable[None]]
"""Has a volume's driver make the file system as large as the volume. Raises RpcFailure, LookupError, StatusError."""


class Persistent:
    def __init__(self, storage: Storage, expand: Expand, clock: Clock, recorder: Recorder, node: str) -> None:
        self._storage, self._expand, self._node = storage, expand, node
        self._clock, self._recorder = clock, recorder

    async def spec(self, pod: Pod, volume: Volume, around: Surroundings) -> Spec:
        """The volume, with what stands behind it. Raises VolumeError."""
        key = claims.claim_of(pod, volume)
        if key is None:
            return Spec(pod=pod, volume=volume, around=around)
        claim, bound = await self._resolve(pod, volume, key)
        if bound.spec.nodeAffinity is not None and not await self._is_near(bound):
            why = "no matching NodeSelectorTerms"
            raise VolumeError(bound.metadata.name, why, "MountVolume.NodeAffinity check")
        read_only = claims.is_read_only(volume)
        return Spec(pod=pod, volume=volume, around=around, persistent=bound, claim=claim, read_only=read_only)

    async def grow(self, spec: Spec) -> None:
        """Make what is mounted larger where it is the node's turn. Raises VolumeError."""
        key = claims.claim_of(spec.pod, spec.volume)
        if key and spec.claim and spec.persistent and growth.is_due(spec.claim, spec.persistent):
            await self._grow(spec.pod, key, spec.persistent, spec.read_only)

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

    async def _grow(self, pod: Pod, key: Key, bound: PersistentVolume, read_only: bool) -> None:
        """It is the node's turn to make a volume larger. What fails is told, and tried again."""
        name = bound.metadata.name
        try:
            if bound.spec.csi is not None:
                await self._expand(pod, csi.persistent(bound, read_only=read_only))
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
