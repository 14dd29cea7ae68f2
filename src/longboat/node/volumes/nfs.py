"""nfs volumes: directories of other machines, mounted with the node's own mount.nfs.

A server may say nothing for ever. So commands run beside everything else, each pod waits for its own only, and nothing
here looks into what is mounted.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.node import commands, kernel, mounting
from longboat.node.errors import StillMounted, VolumeError, words
from longboat.node.paths import Paths
from longboat.node.views.volumes import NFSSource, Volume
from longboat.node.volumes.plugin import Host, SetUp, Spec, VolumePlugin

log = logging.getLogger(__name__)
FOLDER = "kubernetes.io~nfs"
MOUNTED_WITHIN = 600.0  # seconds a mount command gets; mount.nfs by itself gives up after two minutes
PATIENCE = 15.0  # seconds a pod waits for one at a time
MOST = 5  # mounts one upon the other: an agent that died did not hear of the first
UNMOUNTED_WITHIN = 60.0  # seconds until an unmount command is followed by a rougher one (kubelet's unMountTimeout)


def source_of(nfs: NFSSource) -> str:
    """`server:/path`; an IPv6 address stands in brackets."""
    server = f"[{nfs.server}]" if ":" in nfs.server and not nfs.server.startswith("[") else nfs.server
    return f"{server}:{nfs.path}"


class Mounts:
    """Those of this node's pods."""

    def __init__(self, paths: Paths, clock: Clock) -> None:
        self._paths, self._clock = paths, clock
        self._tasks = Tasks("nfs")
        self._under_way: dict[Path, asyncio.Task[str]] = {}

    async def set_up(self, uid: str, name: str, nfs: NFSSource, options: Iterable[str], *, read_only: bool) -> Path:
        """Where it is mounted for a pod. Raises VolumeError; a quiet one as long as the command is at work."""
        place = self._paths.volumes(uid) / FOLDER / name
        work = self._under_way.get(place)
        if work is None:
            if await asyncio.to_thread(kernel.is_mount_point, place):
                return place
            wanted = sorted({*options, *(["ro"] if read_only or nfs.readOnly else [])})
            work = self._under_way[place] = self._tasks.spawn(name, self._mount(source_of(nfs), place, wanted))
        try:
            async with self._clock.timeout(PATIENCE):
                await asyncio.wait([work])
        except TimeoutError:
            raise VolumeError(name, "the mount command is still at work", quiet=True) from None
        if self._under_way.get(place) is work:  # two volumes of a pod may be one and the same
            del self._under_way[place]
        if why := work.result():
            raise VolumeError(name, why)
        return place

    async def tear_down(self, uid: str) -> None:
        """Unmount all those of a pod, whatever their servers do. Raises StillMounted and OSError."""
        folder = self._paths.volumes(uid) / FOLDER
        for place in [place for place in self._under_way if place.parent == folder]:
            work = self._under_way.pop(place)
            work.cancel()
            await asyncio.wait([work])
        places = await asyncio.to_thread(_beneath, folder)
        await asyncio.gather(*(self._unmount(place) for place in places))

    async def close(self) -> None:
        """End the commands that are still at work."""
        await self._tasks.close()

    async def _mount(self, source: str, place: Path, options: list[str]) -> str:
        """What went wrong; "" if nothing did."""
        flags = mounting.flags("nfs", options)
        try:
            await asyncio.to_thread(place.mkdir, mode=0o750, parents=True, exist_ok=True)
            done = await commands.run(
                self._clock, "mount", *flags, "--", source, str(place), within=MOUNTED_WITHIN
            )  # fmt: skip
        except TimeoutError:
            return str(mounting.mount_failed("signal: killed", flags, source, place, ""))
        except OSError as error:
            return words(error)
        return str(mounting.mount_failed(done.status, flags, source, place, done.output)) if done.code else ""

    async def _unmount(self, place: Path) -> None:
        """As the kubelet does: asked nicely, and if that hangs, by force. What is in use even then goes with its last
        user. Raises StillMounted."""
        done: commands.Done | None = None
        for _ in range(MOST):
            if not await asyncio.to_thread(kernel.is_mount_point, place):
                return
            done = await self._umount(place)
            if done is None:
                done = await self._umount(place, "-f")
            if done is None or done.code:
                done = await self._umount(place, "-l")
            if done is None or done.code:
                break
        how, said = (done.status, done.output) if done else ("signal: killed", "")
        why = f"unmount failed: {how}\nUnmounting arguments: {place}\nOutput: {said}"
        raise StillMounted(f'UnmountVolume.TearDown failed for volume "{place.name}" : {why}')

    async def _umount(self, place: Path, *flags: str) -> commands.Done | None:
        """None: it hung. Without -c it would ask the server what the place is."""
        try:
            done = await commands.run(self._clock, "umount", "-c", *flags, str(place), within=UNMOUNTED_WITHIN)
        except TimeoutError:
            log.warning("umount %s hung and was killed", " ".join((*flags, str(place))))
            return None
        if done.code:
            log.warning("umount %s failed: %s", " ".join((*flags, str(place))), done.output.strip())
        return done


def _beneath(folder: Path) -> list[Path]:
    """Blocks. Nothing is looked into."""
    try:
        return [folder / name for name in os.listdir(folder)]
    except FileNotFoundError:
        return []


class NFSPlugin(VolumePlugin):
    NAME, FIELD = "kubernetes.io/nfs", "nfs"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._mounts = Mounts(host.paths, host.clock)

    @classmethod
    def is_read_only(cls, volume: Volume) -> bool:
        return volume.nfs is not None and volume.nfs.readOnly

    async def new_mounter(self, spec: Spec) -> SetUp:
        uid, options, read_only = spec.pod.uid, spec.mount_options, spec.read_only
        return lambda: self._mounts.set_up(uid, spec.name, self.source(spec), options, read_only=read_only)

    async def tear_down(self, uid: str) -> None:
        await self._mounts.tear_down(uid)

    async def close(self) -> None:
        await self._mounts.close()
