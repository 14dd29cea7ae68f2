"""CSI volumes of pods: attached by others, staged once on the node, published for each pod; and all of it back.

What is done to one volume is done one by one. A record on disk comes before each call of a driver: whenever the agent
dies, the next one knows what has to be taken down. Nothing is ever deleted beneath a mount.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from weakref import WeakValueDictionary

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.aio.threads import to_the_end
from longboat.machinery.errors import StatusError
from longboat.node.csi import places, records
from longboat.node.csi.calls import Calls
from longboat.node.csi.drivers import Driver, Drivers
from longboat.node.csi.errors import RpcFailure
from longboat.node.csi.in_use import InUse
from longboat.node.csi.paths import CsiPaths, Spot
from longboat.node.csi.records import Record
from longboat.node.csi.wanted import Wanted, attachment_name, takes_group, unique_name
from longboat.node.errors import StillMounted, VolumeError, words
from longboat.node.views.pod import Pod
from longboat.node.views.storage import CSIDriverSpec
from longboat.node.volumes import ownership
from longboat.node.volumes.cluster import Storage

log = logging.getLogger(__name__)
STAGES = "STAGE_UNSTAGE_VOLUME"
ATTACHED_WITHIN = 20.0  # seconds a pod waits for an attachment at a time


class CsiVolumes:
    """One per agent."""

    def __init__(
        self, drivers: Drivers, storage: Storage, clock: Clock, node: str, paths: CsiPaths, in_use: InUse
    ) -> None:
        self._drivers, self._storage, self._clock, self._node = drivers, storage, clock, node
        self._paths, self._in_use = paths, in_use
        self._calls = Calls(storage)
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._staged: set[tuple[str, str]] = set()
        self._published: set[Path] = set()

    async def recover(self) -> None:
        """Find again what an agent before this one has mounted."""
        known = await asyncio.to_thread(places.attached, self._paths)
        self._in_use.found({unique_name(*volume) for volume in known})

    async def set_up(self, pod: Pod, wanted: Wanted) -> Path:
        """Where the volume lies for the pod. Does nothing to one that is there. Raises VolumeError."""
        async with self._lock(wanted.driver, wanted.handle):
            try:
                return await self._set_up(pod, wanted)
            except (StatusError, ConnectionError, OSError, ValueError) as error:
                raise _publishing(wanted, words(error)) from error

    async def tear_down(self, uid: str) -> None:
        """Take down every volume of a pod. Raises StillMounted."""
        for record, spot in await asyncio.to_thread(places.of_pod, self._paths, uid):
            async with self._lock(*record.volume):
                await self._unpublish(record, spot)
                await self._release(record, spot)

    async def tidy(self) -> None:
        """Unstage what no pod of this node uses, and tell which volumes are in use. Raises StatusError, OSError."""
        await self._in_use.report()
        for record, spot in await asyncio.to_thread(places.staged, self._paths):
            async with self._lock(*record.volume):
                try:
                    await self._release(record, spot)
                except StillMounted as failure:
                    log.warning("%s", failure)

    async def users(self, driver: str, handle: str) -> set[str]:
        """The uids of this node's pods that have a volume."""
        return await asyncio.to_thread(places.users, self._paths, driver, handle)

    async def expand(self, pod: Pod, wanted: Wanted) -> None:
        """Have the driver make the file system as large as the volume. Raises RpcFailure, LookupError, StatusError."""
        async with self._lock(wanted.driver, wanted.handle):
            driver, spot = self._drivers.get(wanted.driver), self._spot(pod, wanted)
            await self._calls.expand(driver, wanted, spot, stages=driver.can(STAGES))

    def _lock(self, driver: str, handle: str) -> asyncio.Lock:
        return self._locks.setdefault((driver, handle), asyncio.Lock())

    def _spot(self, pod: Pod, wanted: Wanted) -> Spot:
        if wanted.is_block:
            return self._paths.device(pod.uid, wanted.name)
        return self._paths.file_system(pod.uid, wanted.name, wanted.driver, wanted.handle)

    async def _set_up(self, pod: Pod, wanted: Wanted) -> Path:
        spot = self._spot(pod, wanted)
        found = await self._storage.driver(wanted.driver)
        rules = found.spec if found else CSIDriverSpec()
        if not rules.requiresRepublish and await self._is_published(spot):
            return spot.target
        driver = self._driver(wanted)
        modes = rules.volumeLifecycleModes or [records.PERSISTENT]
        if wanted.mode not in modes:
            supported = " ".join(f'"{mode}"' for mode in sorted(modes))
            why = f'volume mode "{wanted.mode}" not supported by driver {wanted.driver} (only supports [{supported}])'
            raise _publishing(wanted, why)
        attachment, context = "", dict[str, str]()
        if rules.attachRequired and not wanted.is_ephemeral:
            attachment = attachment_name(wanted.driver, wanted.handle, self._node)
            context = await self._await_attachment(wanted, attachment)
            await self._in_use.add(wanted.unique_name)
        record = Record(
            driverName=wanted.driver, volumeHandle=wanted.handle, specVolID=wanted.name, nodeName=self._node,
            attachmentID=attachment, volumeLifecycleMode=wanted.mode,
        )  # fmt: skip
        is_new = await asyncio.to_thread(places.prepare, spot, record)
        stages = driver.can(STAGES) and not wanted.is_ephemeral
        if stages and record.volume not in self._staged:
            await self._stage(pod, wanted, driver, spot, record, context, is_new=is_new)
        await self._publish(pod, wanted, driver, spot, rules, context, stages=stages, is_new=is_new)
        self._published.add(spot.target)
        return spot.target

    async def _is_published(self, spot: Spot) -> bool:
        """By this agent, or by one before it, whose mount is still there."""
        if spot.target in self._published:
            return True
        return await asyncio.to_thread(places.is_published, spot)

    def _driver(self, wanted: Wanted) -> Driver:
        try:
            return self._drivers.get(wanted.driver)
        except LookupError as error:
            if wanted.is_ephemeral:
                why = f"kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: {error}"
                raise _publishing(wanted, why) from error
            where = "blockMapper.SetUpDevice failed to get CSI client" if wanted.is_block else (
                "attacher.MountDevice failed to create newCsiDriverClient"
            )  # fmt: skip
            raise _staging(wanted, f"kubernetes.io/csi: {where}: {error}") from error

    async def _await_attachment(self, wanted: Wanted, name: str) -> dict[str, str]:
        """The publish context. Whoever attaches tells of failures: here one only waits. Raises VolumeError."""
        backoff, until = Backoff(first=0.1, longest=1.0), self._clock.monotonic() + ATTACHED_WITHIN
        while True:
            found = await self._storage.attachment(name)
            if found is not None and found.status.attached:
                return found.status.attachmentMetadata
            if self._clock.monotonic() > until:
                raise VolumeError(wanted.name, "volume is not attached", attaching=True)
            await self._clock.sleep(backoff.next())

    async def _stage(
        self, pod: Pod, wanted: Wanted, driver: Driver, spot: Spot, record: Record, context: dict[str, str],
        *, is_new: bool,
    ) -> None:  # fmt: skip
        is_first = False
        if spot.staging_record is not None:
            is_first = await asyncio.to_thread(records.write, spot.staging_record, record)
        try:
            await self._calls.stage(driver, wanted, spot, context, pod.spec.securityContext.fsGroup)
        except (ValueError, RpcFailure) as failure:
            if not isinstance(failure, RpcFailure) or failure.is_final:
                if is_new:
                    await asyncio.to_thread(places.forget, spot)
                if is_first:
                    await asyncio.to_thread(places.forget_staging, spot)
            raise _staging(wanted, str(failure)) from failure
        self._staged.add(record.volume)

    async def _publish(
        self, pod: Pod, wanted: Wanted, driver: Driver, spot: Spot, rules: CSIDriverSpec, context: dict[str, str],
        *, stages: bool, is_new: bool,
    ) -> None:  # fmt: skip
        anew = spot.target not in self._published
        try:
            await self._calls.publish(driver, wanted, spot, pod, rules, context, stages=stages)
        except RpcFailure as failure:
            if failure.is_final and is_new:
                await asyncio.to_thread(places.forget, spot)
            raise _publishing(wanted, str(failure)) from failure
        security = pod.spec.securityContext
        if anew and security.fsGroup is not None and takes_group(wanted, driver, rules, security.fsGroup):
            mismatch_only = security.fsGroupChangePolicy == "OnRootMismatch"
            try:
                await to_the_end(
                    ownership.give_to, spot.target, security.fsGroup, only_if_root_differs=mismatch_only
                )  # fmt: skip
            except OSError as error:
                raise _publishing(wanted, f"applyFSGroup failed for vol {wanted.handle}: {error}") from error

    async def _unpublish(self, record: Record, spot: Spot) -> None:
        """Raises StillMounted."""
        self._published.discard(spot.target)  # a call that fails may have been carried out all the same
        try:
            await self._calls.unpublish(self._drivers.get(record.driverName), record, spot)
            await asyncio.to_thread(places.forget, spot)
        except (LookupError, RpcFailure, OSError) as error:
            operation = "UnmapVolume.UnmapPodDevice" if spot.link else "UnmountVolume.TearDown"
            raise StillMounted(f'{operation} failed for volume "{record.specVolID}" : {error}') from error

    async def _release(self, record: Record, spot: Spot) -> None:
        """Unstage a volume that no pod uses any longer. Raises StillMounted."""
        if await asyncio.to_thread(places.is_used, self._paths, record, spot):
            return
        self._staged.discard(record.volume)
        try:
            driver = self._drivers.get(record.driverName)
            if driver.can(STAGES) and record.volumeLifecycleMode != records.EPHEMERAL:
                await self._calls.unstage(driver, record, spot)
            await asyncio.to_thread(places.forget_staging, spot)
            if record.attachmentID:
                await self._in_use.remove(unique_name(*record.volume))
        except (LookupError, RpcFailure, OSError, StatusError) as error:
            operation = "UnmapDevice" if spot.link else "UnmountDevice"
            raise StillMounted(f'{operation} failed for volume "{record.specVolID}" : {error}') from error


def _staging(wanted: Wanted, why: str) -> VolumeError:
    if wanted.is_block:
        return VolumeError(wanted.name, why, "MapVolume.SetUpDevice", "FailedMapVolume")
    return VolumeError(wanted.name, why, "MountVolume.MountDevice")


def _publishing(wanted: Wanted, why: str) -> VolumeError:
    if wanted.is_block:
        return VolumeError(wanted.name, why, "MapVolume.MapPodDevice", "FailedMapVolume")
    return VolumeError(wanted.name, why)
