"""Root file systems of images: from containerd's own snapshot service, which its socket offers beside CRI.

CRI says which snapshots there are: of an image the chain of its layers, of the runtime the snapshotter that keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import grpc.aio
from cri_api.v1 import api_pb2 as pb
from cri_api.v1.api_pb2_grpc import ImageServiceStub, RuntimeServiceStub

from longboat.aio.clock import Clock
from longboat.machinery.protos import messages
from longboat.machinery.protos.rpc import Stub
from longboat.node.cri.calls import call, removed
from longboat.node.cri.events import NAMESPACE
from longboat.node.cri.interface import FileSystem, RuntimeFailure

PACKAGE = "containerd.services.snapshots.v1"
DEFAULT = "overlayfs"
KEPT = {"containerd.io/gc.root": "longboat"}  # containerd collects what nothing refers to; its layers stay as well


class Snapshots:
    """Views by the names they were given."""

    def __init__(self, channel: grpc.aio.Channel, clock: Clock) -> None:
        self._clock = clock
        self._runtime: Any = RuntimeServiceStub(channel)  # type: ignore[no-untyped-call]
        self._images: Any = ImageServiceStub(channel)  # type: ignore[no-untyped-call]
        self._stub, self._messages = Stub(channel, f"{PACKAGE}.Snapshots"), messages(PACKAGE)

    async def view(self, image: str, name: str) -> FileSystem:
        """Raises RuntimeFailure."""
        where = {"snapshotter": await self._snapshotter(), "key": name}
        request = self._messages.ViewSnapshotRequest(**where, parent=await self._chain(image), labels=KEPT)
        try:
            answer = await call(self._method("View"), request)
        except RuntimeFailure as failure:
            if failure.code != "AlreadyExists":
                raise
            answer = await call(self._method("Mounts"), self._messages.MountsRequest(**where))
        return file_system(answer.mounts)

    async def remove(self, name: str) -> None:
        """Raises RuntimeFailure."""
        request = self._messages.RemoveSnapshotRequest(snapshotter=await self._snapshotter(), key=name)
        await removed(self._clock, lambda: call(self._method("Remove"), request))

    def _method(self, name: str) -> Callable[..., Awaitable[Any]]:
        return partial(self._stub, name, metadata=NAMESPACE)

    async def _chain(self, image: str) -> str:
        request = pb.ImageStatusRequest(image=pb.ImageSpec(image=image), verbose=True)
        answer = await call(self._images.ImageStatus, request)
        if not answer.HasField("image"):
            raise RuntimeFailure(f'image "{image}": not found', "NotFound")
        return chain(answer.info)

    async def _snapshotter(self) -> str:
        return snapshotter((await call(self._runtime.Status, pb.StatusRequest(verbose=True))).info)


def chain(info: Mapping[str, str]) -> str:
    """The name of an image's uppermost snapshot, in its verbose status; "" for an image without layers.

    Raises RuntimeFailure where the runtime does not tell: it is not containerd.
    """
    found = _object(info, "info").get("chainID")
    if not isinstance(found, str):
        raise RuntimeFailure("the runtime does not tell of which snapshots an image consists", "Unimplemented")
    return found


def snapshotter(info: Mapping[str, str]) -> str:
    """The snapshotter in the runtime's verbose status. containerd 2 does not tell it: then its default."""
    containerd = _object(info, "config").get("containerd")
    return (containerd.get("snapshotter") if isinstance(containerd, dict) else None) or DEFAULT


def file_system(mounts: Any) -> FileSystem:
    """Raises RuntimeFailure for what mount(8) alone cannot do: several mounts, or types that containerd makes up."""
    if len(mounts) != 1 or "/" in mounts[0].type:
        kinds = ", ".join(mount.type for mount in mounts) or "none"
        raise RuntimeFailure(f"mounts of this snapshotter are not supported: {kinds}", "Unimplemented")
    (mount,) = mounts
    return FileSystem(kind=mount.type, source=mount.source, options=tuple(mount.options))


def _object(info: Mapping[str, str], key: str) -> dict[str, Any]:
    try:
        found = json.loads(info.get(key, ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
