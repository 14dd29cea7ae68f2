"""What a type of volume says of itself and does, in the kubelet's words (pkg/volume: VolumePlugin, Spec, Mounter).

A type is a class in a file of its own and a line in `catalog.py`; nothing else asks what a volume is made of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from longboat.aio.clock import Clock
from longboat.node.csi.mounter import CsiVolumes
from longboat.node.make.fields import Surroundings
from longboat.node.paths import Paths
from longboat.node.sources import Sources
from longboat.node.views.pod import Pod
from longboat.node.views.storage import Claim, PersistentVolume
from longboat.node.views.volumes import TokenProjection, Volume
from longboat.node.volumes.image import ImageVolumes

SetUp = Callable[[], Awaitable[Path]]
"""Makes the volume what it should be now, and says where it lies; once more does no harm. Raises VolumeError, OSError,
ValueError: the latter two are told in the volume's name."""

Reference = tuple[str, str | TokenProjection]
"""What a volume's files come of: ("configmap" or "secret", its name) or ("token", its projection)."""


@dataclass(frozen=True, slots=True)
class Host:
    """What plugins have of their node."""

    paths: Paths
    clock: Clock
    sources: Sources
    csi: CsiVolumes
    images: ImageVolumes


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """One volume of a pod. `persistent` and `claim` are what stands behind one that is a claim."""

    pod: Pod
    volume: Volume
    around: Surroundings
    persistent: PersistentVolume | None = None
    claim: Claim | None = None
    read_only: bool = False

    @property
    def name(self) -> str:
        """The PersistentVolume's where there is one: volumes lie under it, and Events name it."""
        return self.volume.name if self.persistent is None else self.persistent.metadata.name

    @property
    def mount_options(self) -> list[str]:
        return [] if self.persistent is None else self.persistent.spec.mountOptions


class VolumePlugin:
    """Subclass, name it, write `new_mounter`. One object per node; what is asked of the class, is asked of volumes that
    nobody sets up too.

    `NAME` is upstream's, `FIELD` the one of a pod's volume, or of a PersistentVolume's spec, that holds its source.
    """

    NAME: ClassVar[str]
    FIELD: ClassVar[str]
    WRITTEN: ClassVar[bool] = False  # its files come from the agent: containers add nothing to them
    REQUIRES_REMOUNT: ClassVar[bool] = False  # it is set up again and again, for its content may change
    BY_CONTAINERS: ClassVar[bool] = False  # shown when a container that mounts it starts, not before

    def __init__(self, host: Host) -> None:
        self.host = host

    @classmethod
    def source(cls, spec: Spec) -> Any:
        """Its part of the volume; None where the volume is of another type."""
        holder = spec.volume if spec.persistent is None else spec.persistent.spec
        return getattr(holder, cls.FIELD, None)

    @classmethod
    def can_support(cls, spec: Spec) -> bool:
        return cls.source(spec) is not None

    @classmethod
    def is_read_only(cls, volume: Volume) -> bool:
        """Whether containers may not write to it, whatever their mounts say."""
        return cls.WRITTEN

    @classmethod
    def is_local_ephemeral(cls, volume: Volume) -> bool:
        """Whether it takes of the node's disk, in the pod's name, and is to be measured."""
        return False

    @classmethod
    def references(cls, volume: Volume) -> Iterator[Reference]:
        """What its files come of: it is followed while the pod runs."""
        return iter(())

    @classmethod
    def folder(cls) -> str:
        return cls.NAME.replace("/", "~")

    def place(self, spec: Spec) -> Path:
        """Where the kubelet would have it."""
        return self.host.paths.volumes(spec.pod.uid) / self.folder() / spec.name

    async def new_mounter(self, spec: Spec) -> SetUp:
        """Find out all that setting it up takes of the API. Nothing is written: simulated nodes do this too.

        Raises VolumeError.
        """
        raise NotImplementedError(f"{type(self).__name__} has no new_mounter")

    async def tear_down(self, uid: str) -> None:
        """For those of a pod that need more than to be detached and removed. Raises RuntimeFailure, StillMounted,
        OSError."""

    async def tidy(self) -> None:
        """What no pod uses any more. Raises StatusError, ConnectionError, OSError."""

    async def close(self) -> None:
        """End what is under way."""
