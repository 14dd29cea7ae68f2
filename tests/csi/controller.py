"""Identity and controller service."""

from __future__ import annotations

from typing import Any

from csi.shelf import Refusal, Shelf
from longboat.machinery.protos import messages

csi = messages("csi.v1")
CAPABILITIES = ("CREATE_DELETE_VOLUME", "PUBLISH_UNPUBLISH_VOLUME", "EXPAND_VOLUME", "SINGLE_NODE_MULTI_WRITER")
LARGEST = 10 << 30  # bytes


class Controller:
    def __init__(self, name: str, shelf: Shelf) -> None:
        self._name, self._shelf = name, shelf

    async def GetPluginInfo(self, request: Any) -> Any:
        return csi.GetPluginInfoResponse(name=self._name, vendor_version="1")

    async def GetPluginCapabilities(self, request: Any) -> Any:
        listed = [{"service": {"type": "CONTROLLER_SERVICE"}}, {"volume_expansion": {"type": "ONLINE"}}]
        return csi.GetPluginCapabilitiesResponse(capabilities=listed)

    async def Probe(self, request: Any) -> Any:
        return csi.ProbeResponse(ready={"value": True})

    async def ControllerGetCapabilities(self, request: Any) -> Any:
        listed = [{"rpc": {"type": name}} for name in CAPABILITIES]
        return csi.ControllerGetCapabilitiesResponse(capabilities=listed)

    async def CreateVolume(self, request: Any) -> Any:
        size = request.capacity_range.required_bytes or 16 << 20
        if size > LARGEST:
            raise Refusal("OUT_OF_RANGE", f"at most {LARGEST} bytes")
        note = self._shelf.note(request.name)
        if note is None:
            note = {"size": size, "attached": "", "colour": request.parameters.get("colour", "")}
            self._shelf.resize(request.name, size)
            self._shelf.keep(request.name, note)
        elif note["size"] < size:
            raise Refusal("ALREADY_EXISTS", f"volume {request.name} is smaller")
        context = {"colour": note["colour"]}
        volume = csi.Volume(volume_id=request.name, capacity_bytes=note["size"], volume_context=context)
        return csi.CreateVolumeResponse(volume=volume)

    async def DeleteVolume(self, request: Any) -> Any:
        note = self._shelf.note(request.volume_id)
        if note is not None and note["attached"]:
            raise Refusal("FAILED_PRECONDITION", f"attached to {note['attached']}")
        self._shelf.drop(request.volume_id)
        return csi.DeleteVolumeResponse()

    async def ControllerPublishVolume(self, request: Any) -> Any:
        note = self._shelf.must(request.volume_id)
        if note["attached"] not in ("", request.node_id):
            raise Refusal("FAILED_PRECONDITION", f"attached to {note['attached']}")
        self._shelf.keep(request.volume_id, {**note, "attached": request.node_id})
        return csi.ControllerPublishVolumeResponse(publish_context={"slot": f"slot-of-{request.node_id}"})

    async def ControllerUnpublishVolume(self, request: Any) -> Any:
        note = self._shelf.note(request.volume_id)
        if note is not None:
            self._shelf.keep(request.volume_id, {**note, "attached": ""})
        return csi.ControllerUnpublishVolumeResponse()

    async def ControllerExpandVolume(self, request: Any) -> Any:
        note, size = self._shelf.must(request.volume_id), request.capacity_range.required_bytes
        if size > LARGEST:
            raise Refusal("OUT_OF_RANGE", f"at most {LARGEST} bytes")
        self._shelf.resize(request.volume_id, max(size, note["size"]))
        self._shelf.keep(request.volume_id, {**note, "size": max(size, note["size"])})
        return csi.ControllerExpandVolumeResponse(capacity_bytes=size, node_expansion_required=True)
