"""The built-in driver's node service: images become loop devices, these are mounted, mounts are bound for pods."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from longboat.aio.threads import to_the_end
from longboat.machinery.protos import messages
from longboat.node import kernel, mounting
from longboat.node.csi.errors import RpcFailure
from longboat.node.csi.local import file_systems, loop
from longboat.node.csi.local.controller import TOPOLOGY_KEY
from longboat.node.csi.local.images import DiskImages

csi = messages("csi.v1")
CAPABILITIES = ("STAGE_UNSTAGE_VOLUME", "GET_VOLUME_STATS", "EXPAND_VOLUME", "SINGLE_NODE_MULTI_WRITER")


class Node:
    """Requests in, responses out; RpcFailure is raised. Every call may be made again."""

    def __init__(self, images: DiskImages, node: str) -> None:
        self._images, self._node = images, node
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def NodeGetInfo(self, request: Any) -> Any:
        return csi.NodeGetInfoResponse(node_id=self._node, accessible_topology={"segments": {TOPOLOGY_KEY: self._node}})

    async def NodeGetCapabilities(self, request: Any) -> Any:
        listed = [{"rpc": {"type": name}} for name in CAPABILITIES]
        return csi.NodeGetCapabilitiesResponse(capabilities=listed)

    async def NodeStageVolume(self, request: Any) -> Any:
        await self._alone(request, self._stage, request)
        return csi.NodeStageVolumeResponse()

    async def NodeUnstageVolume(self, request: Any) -> Any:
        await self._alone(request, self._unstage, request)
        return csi.NodeUnstageVolumeResponse()

    async def NodePublishVolume(self, request: Any) -> Any:
        await self._alone(request, self._publish, request)
        return csi.NodePublishVolumeResponse()

    async def NodeUnpublishVolume(self, request: Any) -> Any:
        await self._alone(request, _unpublish, Path(request.target_path))
        return csi.NodeUnpublishVolumeResponse()

    async def NodeExpandVolume(self, request: Any) -> Any:
        return csi.NodeExpandVolumeResponse(capacity_bytes=await self._alone(request, self._expand, request))

    async def NodeGetVolumeStats(self, request: Any) -> Any:
        usage = await asyncio.to_thread(_usage, Path(request.volume_path), request.volume_id)
        return csi.NodeGetVolumeStatsResponse(usage=usage)

    async def _alone(self, request: Any, work: Any, *arguments: Any) -> Any:
        """Nothing else is done to the volume meanwhile. Raises RpcFailure for whatever goes wrong."""
        async with self._locks[request.volume_id]:
            try:
                return await to_the_end(work, *arguments)
            except file_systems.InUse as error:
                raise RpcFailure("FAILED_PRECONDITION", str(error)) from error
            except OSError as error:
                raise RpcFailure("INTERNAL", str(error)) from error

    def _image(self, volume: str) -> Path:
        image = self._images.path(volume)
        if not image.exists():
            raise RpcFailure("NOT_FOUND", f"volume {volume} does not exist on node {self._node}")
        return image

    def _stage(self, request: Any) -> None:
        image, staging = self._image(request.volume_id), Path(request.staging_target_path)
        if not request.volume_capability.HasField("mount"):
            loop.attach_lasting(image)
            return
        if kernel.is_mount_point(staging):
            return
        staging.mkdir(mode=0o750, parents=True, exist_ok=True)
        for device in loop.devices(image):  # never a second device for one image: each would have a mind of its own
            _mount(device, staging, request)
            return
        with loop.attached(image) as device:
            file_systems.fill(file_systems.of(device), device)
            _mount(device, staging, request)

    def _unstage(self, request: Any) -> None:
        image, staging = self._images.path(request.volume_id), Path(request.staging_target_path)
        if kernel.is_mount_point(staging):
            kernel.unmount_fully(staging)
        if image.exists():
            for device in loop.devices(image):
                loop.detach(device)

    def _publish(self, request: Any) -> None:
        target, source = Path(request.target_path), Path(request.staging_target_path)
        if kernel.is_mount_point(target):
            return
        if request.volume_capability.HasField("mount"):
            if not kernel.is_mount_point(source):
                raise RpcFailure("FAILED_PRECONDITION", f"volume {request.volume_id} is not staged at {source}")
            target.mkdir(mode=0o750, parents=True, exist_ok=True)
        else:
            listed = loop.devices(self._image(request.volume_id))
            if not listed:
                raise RpcFailure("FAILED_PRECONDITION", f"volume {request.volume_id} is attached to no device")
            source = listed[0]
            target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            target.touch()
        kernel.bind(str(source), target)
        if request.readonly:
            kernel.make_read_only(target)

    def _expand(self, request: Any) -> int:
        """The size of the volume in bytes. Raises OSError."""
        image = self._image(request.volume_id)
        for device in loop.devices(image):
            loop.take_new_size(device)
            place = Path(request.staging_target_path or request.volume_path)
            if kernel.is_mount_point(place) and place.is_dir():
                file_systems.grow(file_systems.of(device), device, place)
        return image.stat().st_size


def _mount(device: Path, staging: Path, request: Any) -> None:
    """Raises RpcFailure and OSError."""
    wanted, found = request.volume_capability.mount, file_systems.of(device)
    if not found:
        raise RpcFailure("FAILED_PRECONDITION", f"volume {request.volume_id} was made as a block device")
    if wanted.fs_type and wanted.fs_type != found:
        what = f"volume {request.volume_id} has a file system of type {found}, not {wanted.fs_type}"
        raise RpcFailure("FAILED_PRECONDITION", what)
    mounting.mount(str(device), staging, found, [*file_systems.options(found), *wanted.mount_flags])


def _unpublish(target: Path) -> None:
    if kernel.is_mount_point(target):
        kernel.unmount_fully(target)
    try:
        target.rmdir() if target.is_dir() else target.unlink(missing_ok=True)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _usage(path: Path, volume: str) -> list[Any]:
    """Raises RpcFailure."""
    try:
        found = os.statvfs(path)
    except OSError as error:
        raise RpcFailure("NOT_FOUND", f"volume {volume} is not at {path}: {error.strerror}") from error
    if path.is_block_device():
        with open(path, "rb") as device:
            return [csi.VolumeUsage(total=device.seek(0, os.SEEK_END), unit="BYTES")]
    blocks, used = found.f_frsize, found.f_blocks - found.f_bfree
    return [
        csi.VolumeUsage(
            available=found.f_bavail * blocks, total=found.f_blocks * blocks, used=used * blocks, unit="BYTES"
        ),
        csi.VolumeUsage(
            available=found.f_favail, total=found.f_files, used=found.f_files - found.f_ffree, unit="INODES"
        ),
    ]  # fmt: skip
