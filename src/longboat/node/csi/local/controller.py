"""The built-in driver's identity and controller service: volumes of this node."""

from __future__ import annotations

import asyncio
from typing import Any

from longboat.aio.threads import to_the_end
from longboat.api.storage import LOCAL_DRIVER
from longboat.machinery.protos import messages
from longboat.node.csi.errors import RpcFailure
from longboat.node.csi.local import file_systems
from longboat.node.csi.local.images import Images, fitting

csi = messages("csi.v1")
TOPOLOGY_KEY = f"topology.{LOCAL_DRIVER}/node"
DEFAULT_SIZE = 1 << 30  # bytes, where nobody says
ONE_NODE = ("SINGLE_NODE_WRITER", "SINGLE_NODE_READER_ONLY", "SINGLE_NODE_SINGLE_WRITER", "SINGLE_NODE_MULTI_WRITER")
CAPABILITIES = ("CREATE_DELETE_VOLUME", "EXPAND_VOLUME", "GET_CAPACITY", "SINGLE_NODE_MULTI_WRITER")


class Controller:
    """Requests in, responses out; RpcFailure is raised. Volumes are made, grown and deleted one by one."""

    def __init__(self, images: Images, node: str, version: str = "", *, simulated: bool = False) -> None:
        self._images, self._node, self._version, self._simulated = images, node, version, simulated
        self._one_by_one = asyncio.Lock()

    @property
    def _topology(self) -> Any:
        return csi.Topology(segments={TOPOLOGY_KEY: self._node})

    async def GetPluginInfo(self, request: Any) -> Any:
        return csi.GetPluginInfoResponse(name=LOCAL_DRIVER, vendor_version=self._version)

    async def GetPluginCapabilities(self, request: Any) -> Any:
        services = [{"type": name} for name in ("CONTROLLER_SERVICE", "VOLUME_ACCESSIBILITY_CONSTRAINTS")]
        listed = [{"service": service} for service in services] + [{"volume_expansion": {"type": "ONLINE"}}]
        return csi.GetPluginCapabilitiesResponse(capabilities=listed)

    async def Probe(self, request: Any) -> Any:
        return csi.ProbeResponse(ready={"value": True})

    async def ControllerGetCapabilities(self, request: Any) -> Any:
        listed = [{"rpc": {"type": name}} for name in CAPABILITIES]
        return csi.ControllerGetCapabilitiesResponse(capabilities=listed)

    async def CreateVolume(self, request: Any) -> Any:
        if not request.name:
            raise RpcFailure("INVALID_ARGUMENT", "the volume has no name")
        self._check_place(request)
        kind = file_system(request.volume_capabilities)
        if request.HasField("volume_content_source"):
            raise RpcFailure("INVALID_ARGUMENT", "volumes cannot be made from snapshots or other volumes")
        required, limit = request.capacity_range.required_bytes, request.capacity_range.limit_bytes
        size = fitting(required or min(DEFAULT_SIZE, limit or DEFAULT_SIZE), limit)
        async with self._one_by_one:
            has = await asyncio.to_thread(self._images.size, request.name)
            if has is None:
                await to_the_end(self._images.create, request.name, size, kind)
            elif has < required or (limit and has > limit):
                what = f"volume {request.name} exists with another size: {has} bytes"
                raise RpcFailure("ALREADY_EXISTS", what)
        volume = csi.Volume(volume_id=request.name, capacity_bytes=has or size, accessible_topology=[self._topology])
        return csi.CreateVolumeResponse(volume=volume)

    async def DeleteVolume(self, request: Any) -> Any:
        async with self._one_by_one:
            await to_the_end(self._images.delete, request.volume_id)
        return csi.DeleteVolumeResponse()

    async def ControllerExpandVolume(self, request: Any) -> Any:
        size = fitting(request.capacity_range.required_bytes, request.capacity_range.limit_bytes)
        async with self._one_by_one:
            await to_the_end(self._images.grow, request.volume_id, size)
            has = await asyncio.to_thread(self._images.size, request.volume_id)
        return csi.ControllerExpandVolumeResponse(capacity_bytes=has, node_expansion_required=not self._simulated)

    async def GetCapacity(self, request: Any) -> Any:
        segments = dict(request.accessible_topology.segments)
        here = segments.get(TOPOLOGY_KEY, self._node) == self._node
        free = await asyncio.to_thread(self._images.free) if here else 0
        return csi.GetCapacityResponse(available_capacity=free, maximum_volume_size={"value": free})

    async def ValidateVolumeCapabilities(self, request: Any) -> Any:
        if await asyncio.to_thread(self._images.size, request.volume_id) is None:
            raise RpcFailure("NOT_FOUND", f"volume {request.volume_id} does not exist")
        try:
            file_system(request.volume_capabilities)
        except RpcFailure as failure:
            return csi.ValidateVolumeCapabilitiesResponse(message=failure.message)
        confirmed = {"volume_capabilities": request.volume_capabilities}
        return csi.ValidateVolumeCapabilitiesResponse(confirmed=confirmed)

    def _check_place(self, request: Any) -> None:
        """Raises RpcFailure where the volume is wanted on other nodes only."""
        wanted = [dict(topology.segments) for topology in request.accessibility_requirements.requisite]
        if wanted and not any(each.get(TOPOLOGY_KEY, self._node) == self._node for each in wanted):
            raise RpcFailure("RESOURCE_EXHAUSTED", f"volumes made on node {self._node} are of use nowhere else")


def file_system(capabilities: Any) -> str:
    """What has to be made for these VolumeCapabilities; "" for a block device. Raises RpcFailure."""
    if not capabilities:
        raise RpcFailure("INVALID_ARGUMENT", "the volume has no capabilities")
    kinds = set()
    for capability in capabilities:
        mode = csi.VolumeCapability.AccessMode.Mode.Name(capability.access_mode.mode)
        if mode not in ONE_NODE:
            raise RpcFailure("INVALID_ARGUMENT", f"volumes are of use on one node only: access mode {mode} is not")
        kinds.add(capability.mount.fs_type or file_systems.DEFAULT if capability.HasField("mount") else "")
    if len(kinds) > 1:
        raise RpcFailure("INVALID_ARGUMENT", "a volume cannot have several file systems, or be a device as well")
    kind: str = kinds.pop()
    if kind and kind not in file_systems.known():
        raise RpcFailure("INVALID_ARGUMENT", f"file system {kind} is not supported on this node")
    return kind
