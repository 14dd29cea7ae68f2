"""What makes those parts of an agent that touch its machine: chosen once, nothing else asks whether there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from longboat.node import machine
from longboat.node.cgroups import Cgroups
from longboat.node.checkpoints import Checkpoints
from longboat.node.cri.interface import Runtime
from longboat.node.images import Images
from longboat.node.machine import Machine
from longboat.node.make.config import NodeFacts
from longboat.node.paths import Paths
from longboat.node.pod_cgroups import PodCgroups
from longboat.node.pod_files import PodFiles
from longboat.node.safeguards import Safeguards
from longboat.node.storage import NodeStorage
from longboat.node.upkeep import Upkeep
from longboat.node.volumes.image import ImageVolumes
from longboat.node.volumes.manager import Volumes
from longboat.node.volumes.persistent import Persistent
from longboat.node.volumes.plugin import Host


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """`cgroups` is told the node's own cgroup, and how many processes a pod may have."""

    checkpoints: Callable[[Paths], Checkpoints]
    cgroups: Callable[[str, int], PodCgroups]
    files: Callable[[NodeFacts], PodFiles]
    image_volumes: Callable[[Runtime, Images, Paths], ImageVolumes]
    volumes: Callable[[Host, Persistent], Volumes]
    storage: type[NodeStorage]
    examine: Callable[[Path, str], Awaitable[Machine]]
    safeguards: Callable[[Runtime], Awaitable[Safeguards]]
    upkeep: Callable[..., Upkeep]


async def examine(root: Path, cgroup_root: str) -> Machine:
    """What the machine is and has; `root` is made where it is not. Raises OSError."""

    def look() -> Machine:
        root.mkdir(mode=0o750, parents=True, exist_ok=True)
        return machine.examine(root, cgroup_root)

    return await asyncio.to_thread(look)


async def safeguards(runtime: Runtime) -> Safeguards:
    """What of pods' security contexts can be done here. Raises RuntimeFailure."""
    features = await runtime.features()
    return Safeguards(
        apparmor=await asyncio.to_thread(machine.has_apparmor),
        selinux=features.selinux and await asyncio.to_thread(machine.has_selinux),
        supplemental_groups_policy=features.supplemental_groups_policy,
        recursive_read_only=features.recursive_read_only,
    )


MACHINE = Ground(
    checkpoints=Checkpoints,
    cgroups=lambda root, pids: PodCgroups(Cgroups(root, pids)),
    files=PodFiles,
    image_volumes=ImageVolumes,
    volumes=Volumes,
    storage=NodeStorage,
    examine=examine,
    safeguards=safeguards,
    upkeep=Upkeep,
)
