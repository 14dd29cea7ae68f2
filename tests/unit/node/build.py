"""Pods, and an agent's workers around any runtime, with the API's part played by plain collections."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.api import kinds
from longboat.client.interface import Key
from longboat.machinery.errors import not_found
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.node.cri.interface import Runtime
from longboat.node.csi.drivers import Drivers
from longboat.node.csi.in_use import InUse
from longboat.node.csi.mounter import CsiVolumes
from longboat.node.csi.paths import CsiPaths
from longboat.node.csi.wanted import Wanted
from longboat.node.followed import Subject
from longboat.node.ground import MACHINE
from longboat.node.images import Images
from longboat.node.isolation import Isolation, nobody_isolates
from longboat.node.launch import Launcher
from longboat.node.make.config import NodeFacts
from longboat.node.observe import Observer
from longboat.node.paths import Paths
from longboat.node.pod_workers import PodWorkers
from longboat.node.relist import Relist
from longboat.node.resizer import Resizer
from longboat.node.simulated.stand_ins import SIMULATED
from longboat.node.stop import Stopper
from longboat.node.tools import Tools
from longboat.node.views.objects import ConfigMap, Secret, Service
from longboat.node.views.objects import Node as ApiNode
from longboat.node.views.pod import Pod
from longboat.node.views.storage import (
    Claim,
    CSIDriver,
    PersistentVolume,
    SecretRef,
    TokenRequest,
    VolumeAttachment,
)
from longboat.node.views.volumes import TokenProjection
from longboat.node.volumes.persistent import Persistent
from longboat.node.volumes.plugin import Host

BUSYBOX = "longboat.local/busybox:1"
K, V = TypeVar("K"), TypeVar("V")
_uids = itertools.count(1)


def container(name: str = "c", *command: str, **more: Any) -> Object:
    return {"name": name, "image": BUSYBOX, "command": list(command), **more}


def pod(name: str = "p", *containers: Object, **spec: Any) -> Pod:
    """A pod as the API server would send it. metadata and status may be given beside spec's fields."""
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{os.getpid()}-{next(_uids)}",
        **spec.pop("metadata", {}),
    }
    status = {"phase": "Pending", **spec.pop("status", {})}
    listed = list(containers) or [container("c", "sleep", "1000")]
    return msgspec.convert(
        {"metadata": metadata, "spec": {"nodeName": "n", "containers": listed, **spec}, "status": status}, Pod
    )


def changed(pod: Pod, **metadata: Any) -> Pod:
    return msgspec.structs.replace(pod, metadata=msgspec.structs.replace(pod.metadata, **metadata))


class Told:
    """Events, as (reason, message)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.notes: list[Mapping[str, str]] = []

    def pod(
        self, pod: Pod, kind: str, reason: str, message: str, field: str = "", notes: Mapping[str, str] | None = None
    ) -> None:
        self.events.append((kind, reason, message))
        self.notes += [notes] if notes else []

    def node(self, kind: str, reason: str, message: str) -> None:
        self.events.append((kind, reason, message))

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason, _ in self.events]

    def of(self, reason: str) -> list[str]:
        return [message for _, found, message in self.events if found == reason]


class Objects:
    """ConfigMaps, Secrets, tokens and Services."""

    def __init__(self) -> None:
        self.config_maps: dict[Key, ConfigMap] = {}
        self.secrets: dict[Key, Secret] = {}
        self.services: list[Service] = []

    async def config_map(self, key: Key) -> ConfigMap | None:
        return self.config_maps.get(key)

    async def secret(self, key: Key) -> Secret | None:
        return self.secrets.get(key)

    async def token(self, pod: Pod, wanted: TokenProjection) -> str:
        return f"token of {pod.metadata.name} for {wanted.audience or 'the API'}"

    async def token_until(self, pod: Pod, wanted: TokenProjection) -> tuple[str, datetime]:
        return await self.token(pod, wanted), datetime(2030, 1, 1, tzinfo=UTC)

    def follow(self, pod: Pod, subjects: Iterable[Subject]) -> None: ...

    def unfollow(self, uid: str) -> None: ...

    def forget(self, pod: Pod) -> None: ...

    async def list(self) -> list[Service]:
        return self.services

    async def handler(self, runtime_class: str) -> str:
        return runtime_class


class Storage:
    """Claims, volumes, drivers and attachments."""

    def __init__(self) -> None:
        self.claims: dict[Key, Claim] = {}
        self.volumes: dict[str, PersistentVolume] = {}
        self.attachments: dict[str, VolumeAttachment] = {}
        self.drivers: dict[str, CSIDriver] = {}
        self.secrets: dict[SecretRef, dict[str, str]] = {}
        self.labels: dict[str, str] = {}
        self.patches: list[tuple[Key, Object]] = []
        self.in_use: list[str] = []

    async def claim(self, key: Key) -> Claim:
        return _found(kinds.PERSISTENT_VOLUME_CLAIM, self.claims, key, key.name)

    async def volume(self, name: str) -> PersistentVolume:
        return _found(kinds.PERSISTENT_VOLUME, self.volumes, name, name)

    async def attachment(self, name: str) -> VolumeAttachment | None:
        return self.attachments.get(name)

    async def driver(self, name: str) -> CSIDriver | None:
        return self.drivers.get(name)

    async def secret(self, ref: SecretRef) -> dict[str, str]:
        return _found(kinds.SECRET, self.secrets, ref, ref.name)

    async def node_labels(self) -> dict[str, str]:
        return self.labels

    async def token(self, pod: Pod, wanted: TokenRequest) -> Object:
        return {"token": f"token for {wanted.audience}", "expirationTimestamp": "2030-01-01T00:00:00Z"}

    async def patch_claim(self, key: Key, status: Object) -> None:
        self.patches.append((key, status))

    async def report_in_use(self, names: list[str]) -> None:
        self.in_use = names


def _found(kind: Kind, listed: dict[K, V], key: K, name: str) -> V:
    if key not in listed:
        raise not_found(kind, name)
    return listed[key]


class OwnNode:
    """The node in the API: `heard` is what a watch has told of it, if that lags behind."""

    def __init__(self) -> None:
        self.now = ApiNode()
        self.heard: ApiNode | None = None
        self.asked = 0

    def known(self) -> ApiNode | None:
        return self.heard or self.now

    async def fresh(self) -> ApiNode:
        self.asked += 1
        return self.now

    def set(self, labels: dict[str, str] | None = None, **parts: Any) -> None:
        """Labels, spec and status, in the API's own names; what is left out is empty."""
        self.now = msgspec.convert({"metadata": {"name": "n", "labels": labels or {}}, **parts}, ApiNode)


class Statuses:
    """The API server's part in statuses: the newest of each pod, and who has been deleted."""

    def __init__(self) -> None:
        self.of: dict[str, Object] = {}
        self.history: list[tuple[str, Object]] = []
        self.deleted: list[str] = []

    def submit(self, pod: Pod, status: Object) -> None:
        self.of[pod.metadata.name] = status
        self.history.append((pod.metadata.name, status))

    def seen(self, pod: Pod) -> None: ...

    def delete(self, pod: Pod) -> None:
        self.deleted.append(pod.metadata.name)

    def forget(self, uid: str) -> None: ...

    def phase(self, name: str = "p") -> str:
        return str(self.of.get(name, {}).get("phase", ""))

    def container(self, name: str = "p", index: int = 0) -> Object:
        found: Object = self.of[name]["containerStatuses"][index]
        return found

    def condition(self, kind: str, name: str = "p") -> str:
        return next((str(c["status"]) for c in self.of.get(name, {}).get("conditions", ()) if c["type"] == kind), "")


async def expand_nothing(pod: Pod, wanted: Wanted) -> None:
    """Simulated nodes call no driver."""


class Node:
    """Workers, and all they were given."""

    def __init__(
        self,
        runtime: Runtime,
        clock: Clock,
        folder: Path,
        *,
        on_disk: bool,
        cgroup: str = "/",
        ips: tuple[str, ...] = ("192.0.2.1",),
        pids: int = 0,
        tools: Mapping[str, Any] = {},
        **facts: Any,
    ) -> None:
        """`tools` are taken instead of what would be made."""
        self.runtime, self.clock = runtime, clock
        self.told, self.objects, self.statuses, self.storage = Told(), Objects(), Statuses(), Storage()
        self.own = OwnNode()
        self.host_ports: list[Any] = []
        paths = Paths(folder / "kubelet", folder / "pods", folder / "containers")
        made = NodeFacts(name="n", ips=ips, paths=paths, cgroup_root=cgroup, capacity={"memory": 8 << 30}, **facts)
        images = Images(runtime, clock, self.told)
        stopper = Stopper(runtime, clock, self.told)
        ground = MACHINE if on_disk else SIMULATED
        files, cgroups = ground.files(made), ground.cgroups(cgroup, pids)
        observer = Observer(runtime)
        self.image_volumes = ground.image_volumes(runtime, images, paths)
        launcher = Launcher(
            runtime, clock, self.told, made, self.objects, self.objects, images, self.image_volumes, stopper, files,
            cgroups,
        )  # fmt: skip
        self.drivers = Drivers()
        mounter = CsiVolumes(self.drivers, self.storage, clock, "n", CsiPaths(paths), InUse(self.storage))
        persistent = Persistent(self.storage, mounter.expand if on_disk else expand_nothing, clock, self.told, "n")
        host = Host(paths, clock, self.objects, mounter, self.image_volumes)
        self.volumes = ground.volumes(host, persistent)
        made_tools = Tools(
            runtime=runtime, runtime_name="containerd", clock=clock, recorder=self.told, node=made,
            sources=self.objects, observer=observer, images=images, launcher=launcher, stopper=stopper,
            volumes=self.volumes, writer=self.statuses, checkpoints=ground.checkpoints(paths),
            files=files, cgroups=cgroups, own_node=self.own, isolation=Isolation(nobody_isolates, self.told),
            resizer=Resizer(runtime, cgroups, made.capacity),
        )  # fmt: skip
        self.tools = msgspec.structs.replace(made_tools, **tools)
        self.workers = PodWorkers(self.tools, self.host_ports.append)
        self.paths = paths
        self.relist = Relist(runtime, clock, observer, self.workers.poke, lambda sandboxes, containers: None)
        self.tasks = Tasks("test node")

    def start(self) -> None:
        """Take notice of what happens in the runtime."""
        self.tasks.spawn("events", self.relist.listen())
        self.tasks.spawn("relist", self.relist.look())

    async def rest(self) -> None:
        """Do nothing more."""
        await self.tasks.close()
        await self.workers.close()

    async def close(self) -> None:
        await self.rest()
        await self.runtime.close()
