"""Has volumes of ours grow when their claims ask for more (what external-resizer does for others)."""

from __future__ import annotations

from longboat.api import kinds
from longboat.api.storage import Claim, Volume, size
from longboat.client.interface import Key
from longboat.controllers.runtime import Requeue, Watch, own_key
from longboat.controllers.volumes.csi import growth, requests, secrets
from longboat.controllers.volumes.csi.base import CSIController
from longboat.controllers.volumes.csi.calls import RpcError
from longboat.controllers.volumes.newest import key_of
from longboat.machinery.objects import Object, timestamp
from longboat.machinery.quantity import Quantity

NEVER = frozenset(("INVALID_ARGUMENT", "OUT_OF_RANGE", "NOT_FOUND"))  # codes that trying again does not change


def may_grow(claim: Claim) -> bool:
    asked, has = claim.spec.resources.requests, claim.status.capacity
    return claim.status.phase == "Bound" and asked != has and size(asked) > size(has)


class CSIResizer(CSIController):
    name = "csi-resizer"
    component = "csi-resizer"
    rights = (
        CSIController.rights
        + """
        get list patch update watch: persistentvolumes
        get list watch: persistentvolumeclaims
        patch update: persistentvolumeclaims/status
    """
    )
    watches = (Watch(Claim, own_key, when=may_grow),)
    reads = (*CSIController.reads, Volume)

    def wake(self) -> None:
        for claim in self.cache(Claim).values():
            if may_grow(claim):
                self.queue.add(key_of(claim))

    def driver_of(self, key: Key) -> str:
        claim = self.cache(Claim).get(key)
        volume = self.cache(Volume).get(Key("", claim.spec.volumeName)) if claim is not None else None
        return volume.spec.csi.driver if volume is not None and volume.spec.csi is not None else ""

    def about(self, key: Key) -> object:
        claim = self.cache(Claim).get(key)
        return claim and (claim.metadata.uid, claim.spec.resources)

    async def serve(self, key: Key) -> Requeue | None:
        claim = self.cache(Claim).get(key)
        volume = self.cache(Volume).get(Key("", claim.spec.volumeName)) if claim is not None else None
        if claim is None or volume is None or claim.metadata.deletionTimestamp is not None:
            return None
        ref, source = volume.spec.claimRef, volume.spec.csi
        if ref is None or ref.uid != claim.metadata.uid or source is None or not self.drivers.serves(source.driver):
            return None
        match growth.plan(claim, volume):
            case growth.Grow(to=to):
                await self._grow(claim, volume, to)
            case growth.TellNode(to=to):
                await self._tell_node(claim, to)
        return None

    async def _grow(self, claim: Claim, volume: Volume, to: Quantity) -> None:
        name, driver = volume.metadata.name, volume.spec.csi.driver if volume.spec.csi else ""
        if not growth.is_begun(claim, to):
            await self._status(claim, growth.begun(to, self._now()))
        self.events.event(claim, "Normal", "Resizing", f"External resizer is resizing volume {name}")
        try:
            got, node_next = await self._call(volume, to)
        except RpcError as error:
            why = f'resize volume "{name}" by resizer "{driver}" failed: {error}'
            self.events.event(claim, "Warning", "VolumeResizeFailed", why)
            await self._note_failure(claim, why, infeasible=error.code in NEVER)
            raise
        patch = {"metadata": {"uid": volume.metadata.uid}, "spec": {"capacity": {"storage": str(got)}}}
        await self.client.patch(kinds.PERSISTENT_VOLUME, key_of(volume), patch)
        if node_next:
            await self._tell_node(claim, to)
            return
        await self._status(claim, growth.finished(to))
        self.events.event(claim, "Normal", "VolumeResizeSuccessful", "Resize volume succeeded")

    async def _note_failure(self, claim: Claim, why: str, *, infeasible: bool) -> None:
        if not growth.is_failed(claim, why):
            await self._status(claim, growth.failed(why, self._now(), infeasible=infeasible))

    async def _call(self, volume: Volume, to: Quantity) -> tuple[Quantity, bool]:
        """The new size, and whether the node has to do its part. Raises RpcError."""
        source = volume.spec.csi
        assert source is not None
        node = self.drivers.route(source.driver, volume=volume)
        if not await self.drivers.can(source.driver, node, "EXPAND_VOLUME"):
            return to, True  # all of it is done on the node
        request: Object = {
            "volumeId": source.volumeHandle,
            "capacityRange": {"requiredBytes": str(to.value)},
            "volumeCapability": requests.of_volume(volume),
        }
        ref = source.controllerExpandSecretRef
        if found := await secrets.read(self.client, secrets.Ref(ref.namespace, ref.name) if ref else None):
            request["secrets"] = found
        answer = await self.drivers.call(node, source.driver, "ControllerExpandVolume", request)
        if requests.bytes_of(answer) < to.value:
            raise RpcError("INTERNAL", f"the driver made it {requests.bytes_of(answer)} bytes, not {to.value}")
        return to, bool(answer.get("nodeExpansionRequired"))

    async def _tell_node(self, claim: Claim, to: Quantity) -> None:
        await self._status(claim, growth.node_next(to, self._now()))
        what = "Require file system resize of volume on node"
        self.events.event(claim, "Normal", "FileSystemResizeRequired", what)

    async def _status(self, claim: Claim, status: Object) -> None:
        patch = {"metadata": {"uid": claim.metadata.uid}, "status": status}
        await self.client.patch(
            kinds.PERSISTENT_VOLUME_CLAIM, key_of(claim), patch, style="strategic", subresource="status"
        )

    def _now(self) -> str:
        return timestamp(self.clock.now())
