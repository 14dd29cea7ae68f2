"""Everything of a node that has to do with volumes beyond the pod: drivers, and what is mounted through them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.aio.parts import Parts
from longboat.aio.tasks import Tasks
from longboat.api.storage import LOCAL_DRIVER
from longboat.client.informer import Informers
from longboat.client.interface import Client
from longboat.node.csi import gateway
from longboat.node.csi.csi_node import CsiNode
from longboat.node.csi.drivers import Drivers, introduced
from longboat.node.csi.in_use import InUse
from longboat.node.csi.local.controller import Controller
from longboat.node.csi.local.images import DiskImages
from longboat.node.csi.local.node import Node
from longboat.node.csi.mounter import CsiVolumes
from longboat.node.csi.paths import CsiPaths
from longboat.node.csi.plugin import InProcessPlugin
from longboat.node.csi.sockets import Sockets
from longboat.node.csi.wanted import Wanted
from longboat.node.paths import Paths
from longboat.node.recorder import Recorder
from longboat.node.sources import Sources
from longboat.node.views.pod import Pod
from longboat.node.views.storage import CSIDriver
from longboat.node.volumes.cluster import ApiStorage
from longboat.node.volumes.persistent import Persistent

REGISTRY = "plugins_registry"


class NodeStorage:
    """`images` is where the built-in driver keeps its volumes. For simulated nodes: `simulated/stand_ins.py`."""

    def __init__(
        self, client: Client, informers: Informers, clock: Clock, sources: Sources, recorder: Recorder, *,
        node: str, paths: Paths, images: Path, version: str,
    ) -> None:  # fmt: skip
        self._clock, self._node, self._version = clock, node, version
        self._tasks: Tasks | None = None
        self.has_grown: Callable[[str], None] = lambda uid: None  # told of pods whose volumes are being made larger
        self._images = DiskImages(images)
        self.drivers, self._registered = Drivers(), asyncio.Event()
        cluster = ApiStorage(client, informers, sources, node)
        self._csi_node = CsiNode(client, clock, node, self.drivers, self._registered, informers.of(CSIDriver))
        self._sockets = Sockets(paths.root / REGISTRY, clock, self.drivers, self._csi_node)
        self.csi = CsiVolumes(self.drivers, cluster, clock, node, CsiPaths(paths), InUse(cluster))
        self.persistent = Persistent(cluster, self._expand, clock, recorder, node)

    async def start(self, tasks: Tasks, parts: Parts) -> None:
        """Before pods are looked at. Raises OSError."""
        self._tasks = tasks
        await self._begin(parts)
        self.drivers.add(await introduced(LOCAL_DRIVER, InProcessPlugin(self._clock, *self._services())))
        parts.start("CSINode", self._csi_node.run)

    def node_exists(self) -> None:
        """From now on the API knows of the node."""
        self._registered.set()

    async def call(self, driver: str, rpc: str, body: bytes) -> bytes:
        """A call of a driver's controller service in protobuf's JSON mapping. Raises RpcFailure."""
        answer = await gateway.call(self.drivers, driver, rpc, body)
        if rpc == gateway.EXPAND and self._tasks is not None:
            self._tasks.spawn("growth", self._follow_growth(driver, gateway.volume_of(body)))
        return answer

    async def _follow_growth(self, driver: str, handle: str) -> None:
        """Whoever called writes to the API that it is the node's turn: that is seen soon, not at the next refresh."""
        for pause in (0.5, 1.5, 6.0):
            await self._clock.sleep(pause)
            for uid in await self.csi.users(driver, handle):
                self.has_grown(uid)

    async def close(self) -> None:
        await self.drivers.close()

    async def _begin(self, parts: Parts) -> None:
        """Find what an agent before this one has left, and the drivers that there are."""
        await asyncio.to_thread(self._images.prepare)
        await self.csi.recover()
        parts.start("plugins", self._sockets.watch)

    async def _expand(self, pod: Pod, wanted: Wanted) -> None:
        await self.csi.expand(pod, wanted)

    def _services(self) -> tuple[object, ...]:
        """The built-in driver's."""
        return Controller(self._images, self._node, self._version), Node(self._images, self._node)
