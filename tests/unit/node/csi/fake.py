"""A driver that only remembers: what is staged and published where, and in which order it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from longboat.aio.clock import Clock, VirtualClock
from longboat.machinery.protos import messages
from longboat.node.csi.drivers import Driver, Drivers
from longboat.node.csi.errors import RpcFailure
from longboat.node.csi.in_use import InUse
from longboat.node.csi.mounter import CsiVolumes
from longboat.node.csi.paths import CsiPaths
from longboat.node.csi.wanted import Wanted
from longboat.node.paths import Paths
from longboat.node.views.storage import CSIDriver, CSIDriverSpec
from unit.node.build import Storage

csi = messages("csi.v1")
NAME = "disks"


class Remembering:
    """A plugin. `fail` maps a procedure to (code, message)."""

    def __init__(self) -> None:
        self.staged: set[str] = set()
        self.published: dict[str, str] = {}  # volume by target path
        self.calls: list[str] = []
        self.requests: list[Any] = []
        self.fail: dict[str, tuple[str, str]] = {}
        self.busy: set[str] = set()

    async def call(self, rpc: str, request: Any = None, *, timeout: float = 0) -> Any:
        self.calls.append(rpc)
        self.requests.append(request)
        volume = request.volume_id
        assert volume not in self.busy, f"{rpc} while another call for {volume} is under way"
        with self._at_work(volume):
            await asyncio.sleep(0)
            failure = RpcFailure(*self.fail[rpc]) if rpc in self.fail else None
            if failure is None or not failure.is_final:  # nobody knows: so it has been done
                await getattr(self, rpc)(request, volume)
            if failure is not None:
                raise failure

    @contextmanager
    def _at_work(self, volume: str) -> Iterator[None]:
        self.busy.add(volume)
        try:
            yield
        finally:
            self.busy.discard(volume)

    async def NodeStageVolume(self, request: Any, volume: str) -> None:
        assert Path(request.staging_target_path).is_dir()
        self.staged.add(volume)

    async def NodePublishVolume(self, request: Any, volume: str) -> None:
        assert volume in self.staged or not request.staging_target_path
        target = Path(request.target_path)
        target.touch() if request.volume_capability.HasField("block") else target.mkdir(exist_ok=True)
        self.published[request.target_path] = volume

    async def NodeUnpublishVolume(self, request: Any, volume: str) -> None:
        self.published.pop(request.target_path, None)

    async def NodeUnstageVolume(self, request: Any, volume: str) -> None:
        assert volume not in self.published.values(), "unstaged while it is published"
        self.staged.discard(volume)

    async def NodeExpandVolume(self, request: Any, volume: str) -> None: ...

    async def close(self) -> None: ...


class Setting:
    """A driver, what the API knows, and the volumes of a node; `again` is the agent's next life."""

    def __init__(self, folder: Path, *capabilities: str, clock: Clock | None = None, **rules: Any) -> None:
        self.plugin, self.storage, self.drivers = Remembering(), Storage(), Drivers()
        listed = frozenset(capabilities or ("STAGE_UNSTAGE_VOLUME", "EXPAND_VOLUME"))
        self.driver = Driver(name=NAME, plugin=self.plugin, node_id="id", capabilities=listed)
        self.drivers.add(self.driver)
        self.clock = clock or VirtualClock()
        self.paths = CsiPaths(Paths(folder))
        self.folder = folder
        self.describe(**{"attachRequired": False, **rules})
        self.again()

    def describe(self, **rules: Any) -> None:
        self.storage.drivers[NAME] = CSIDriver(spec=CSIDriverSpec(**rules))

    def again(self) -> None:
        in_use = InUse(self.storage)
        self.volumes = CsiVolumes(self.drivers, self.storage, self.clock, "n", self.paths, in_use)

    def left(self) -> list[str]:
        """Files and directories beneath the kubelet's that speak of volumes."""
        names = ("vol_data.json", "mount", "globalmount")
        return [str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.name in names]


def wanted(name: str = "pv", **more: Any) -> Wanted:
    return Wanted(name=name, driver=NAME, handle=f"handle of {name}", access_modes=("ReadWriteOnce",), **more)
