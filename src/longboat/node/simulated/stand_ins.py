"""Stand-ins for a machine's disk and cgroups, for simulated nodes: they take everything, and keep nothing."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path

from longboat.aio.parts import Parts
from longboat.node import machine
from longboat.node.allocation import Allocation
from longboat.node.checkpoints import Checkpoints
from longboat.node.cri.config import Mount
from longboat.node.cri.interface import ContainerStatus, Image, Runtime, SandboxNetwork
from longboat.node.csi.local.controller import Controller
from longboat.node.csi.local.images import MemoryImages
from longboat.node.csi.local.node import Node
from longboat.node.csi.wanted import Wanted
from longboat.node.ground import Ground
from longboat.node.machine import Machine, Pressure
from longboat.node.make.cgroups import Limits
from longboat.node.pod_cgroups import PodCgroups
from longboat.node.pod_files import PodFiles
from longboat.node.safeguards import EVERYTHING, Safeguards
from longboat.node.storage import NodeStorage
from longboat.node.upkeep import Upkeep
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod
from longboat.node.volumes.image import ImageVolumes
from longboat.node.volumes.manager import Volumes
from longboat.node.volumes.mounts import mounts
from longboat.node.volumes.plugin import Spec, VolumePlugin

NOWHERE = Path("/")  # where all volumes lie


class NoCheckpoints(Checkpoints):
    async def load(self) -> None:
        return None

    async def keep(self, uid: str, allocation: Allocation) -> None:
        return None


class NoCgroups(PodCgroups):
    """Nothing is limited, and nothing used."""

    def __init__(self) -> None:
        pass

    async def ensure(self, pod: Pod) -> None:
        return None

    async def limits(self, pod: Pod) -> Limits:
        return Limits()

    async def adjust(self, pod: Pod, limits: Limits) -> None:
        return None

    async def memory_used(self, pod: Pod, container: str = "") -> int:
        return 0

    async def remove(self, pod: Pod) -> None:
        return None

    async def remove_others(self, uids: Set[str]) -> None:
        return None


class NoFiles(PodFiles):
    """What would be mounted where is found out all the same: a pod fails that could not start on a real node."""

    async def prepare(self, pod: Pod) -> None:
        return None

    async def mounts(
        self, pod: Pod, container: Container, message_file: Path, places: Mapping[str, Path], env: Mapping[str, str],
        *, recursive: bool,
    ) -> list[Mount]:  # fmt: skip
        return mounts(pod, container, places, env, recursive=recursive)

    async def write_hosts(self, pod: Pod, network: SandboxNetwork) -> None:
        return None

    def link_log(self, pod: Pod, container: Container, id: str, attempt: int) -> None:
        return None

    async def remove_log(self, pod: Pod, status: ContainerStatus) -> None:
        return None

    async def remove_logs(self, pod: Pod) -> None:
        return None

    async def last_words(self, status: ContainerStatus) -> str:
        return ""

    async def pods(self) -> list[str]:
        return []


class NoImageVolumes(ImageVolumes):
    """Images are pulled, but nothing is mounted."""

    async def show(self, pod: Pod, images: Mapping[str, Image]) -> dict[str, Path]:
        return dict.fromkeys(images, NOWHERE)

    async def tear_down(self, uid: str) -> None:
        return None


class NoVolumes(Volumes):
    """Sources are asked for, but nothing is written; what no node of ours can mount is there, too."""

    async def tear_down(self, uid: str) -> None:
        self._sources.unfollow(uid)

    async def tidy(self) -> None:
        return None

    async def _mount(self, spec: Spec, plugin: VolumePlugin | None) -> Path:
        if plugin is not None:
            await plugin.new_mounter(spec)
        return NOWHERE

    def _follow(self, pod: Pod) -> None:
        return None


class SimulatedStorage(NodeStorage):
    """Claims are looked at and grow, but no driver is called, nor looked for."""

    async def _begin(self, parts: Parts) -> None:
        return None

    async def _expand(self, pod: Pod, wanted: Wanted) -> None:
        return None

    def _services(self) -> tuple[object, ...]:
        controller = Controller(MemoryImages(), self._node, self._version, simulated=True)
        return controller, Node(self._images, self._node)


class NoUpkeep(Upkeep):
    """Nothing fills up or runs short."""

    def __init__(self, *_: object) -> None:
        pass

    @property
    def pressure(self) -> Pressure:
        return Pressure()

    async def start(self, parts: Parts) -> None:
        return None


async def examine(root: Path, cgroup_root: str) -> Machine:
    """A machine as nobody has it."""
    return machine.SIMULATED


async def safeguards(runtime: Runtime) -> Safeguards:
    """It can do all that a pod may ask for."""
    return EVERYTHING


SIMULATED = Ground(
    checkpoints=NoCheckpoints,
    cgroups=lambda root, pids: NoCgroups(),
    files=NoFiles,
    image_volumes=NoImageVolumes,
    volumes=NoVolumes,
    storage=SimulatedStorage,
    examine=examine,
    safeguards=safeguards,
    upkeep=NoUpkeep,
)
