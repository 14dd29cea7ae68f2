"""Deletes the volumes of ours whose claims are gone, where their reclaim policy says so.

Nothing is deleted by guesswork: the API itself must say that the volume is Released, that its policy is Delete, and
that the claim with the UID it was bound to is no more.
"""

from __future__ import annotations

from longboat.api import kinds
from longboat.api.storage import PROVISIONED_BY, Claim, Volume, VolumeAttachment
from longboat.client.interface import Key
from longboat.controllers.finalizers import hold, let_go
from longboat.controllers.runtime import Requeue, Watch, own_key
from longboat.controllers.volumes.csi import secrets
from longboat.controllers.volumes.csi.base import CSIController
from longboat.controllers.volumes.csi.calls import NotAsked, RpcError
from longboat.controllers.volumes.csi.made import DELETION_SECRET, FINALIZER
from longboat.controllers.volumes.newest import key_of
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object


def maker(volume: Volume) -> str:
    """The driver that made it for a claim; "" for volumes made by hand."""
    by, source = volume.metadata.annotations.get(PROVISIONED_BY, ""), volume.spec.csi
    return by if source is not None and source.driver == by else ""


def is_released(volume: Volume) -> bool:
    """Whether it may be deleted, as far as the volume itself says."""
    ref, spec = volume.spec.claimRef, volume.spec
    is_to_go = volume.status.phase == "Released" and spec.persistentVolumeReclaimPolicy == "Delete"
    return is_to_go and ref is not None and bool(ref.uid)


def volume_of(attachment: VolumeAttachment) -> tuple[str, ...]:
    """An index: attachments by volume."""
    name = attachment.spec.source.persistentVolumeName
    return (name,) if name else ()


class CSIDeleter(CSIController):
    name = "csi-deleter"
    component = "csi-provisioner"
    rights = (
        CSIController.rights
        + """
        delete get list patch update watch: persistentvolumes
        get list watch: persistentvolumeclaims storage/volumeattachments
    """
    )
    watches = (Watch(Volume, own_key, when=lambda volume: bool(maker(volume))),)
    reads = (*CSIController.reads, VolumeAttachment)

    def setup(self) -> None:
        super().setup()
        attachments = self.cache(VolumeAttachment)
        attachments.index("volume", volume_of)
        attachments.on_change(self._attachment_changed)

    def _attachment_changed(self, old: VolumeAttachment | None, new: VolumeAttachment | None) -> None:
        if new is None and old is not None:
            for name in volume_of(old):
                self.queue.add(Key("", name))

    def wake(self) -> None:
        for volume in self.cache(Volume).values():
            if self.drivers.serves(maker(volume)) and (is_released(volume) or volume.metadata.deletionTimestamp):
                self.queue.add(key_of(volume))

    def driver_of(self, key: Key) -> str:
        volume = self.cache(Volume).get(key)
        return maker(volume) if volume is not None else ""

    async def serve(self, key: Key) -> Requeue | None:
        volume = self.cache(Volume).get(key)
        if volume is None or not self.drivers.serves(maker(volume)):
            return None
        if is_released(volume):
            await self._delete(key)
        elif volume.spec.persistentVolumeReclaimPolicy != "Delete":
            if FINALIZER in volume.metadata.finalizers:
                await let_go(self.client, volume, FINALIZER)
        elif volume.metadata.deletionTimestamp is None:
            await hold(self.client, volume, FINALIZER)
        return None

    async def _delete(self, key: Key) -> None:
        volume = await self._doomed(key)
        if volume is None:
            return
        try:
            await self._delete_storage(volume)
        except RpcError as error:
            self.events.event(volume, "Warning", "VolumeFailedDelete", str(error))
            raise
        try:
            await self.client.delete(kinds.PERSISTENT_VOLUME, key, uid=volume.metadata.uid)
            await let_go(self.client, volume, FINALIZER)
        except StatusError as error:
            if error.code != 404:
                raise

    async def _delete_storage(self, volume: Volume) -> None:
        """Raises RpcError."""
        source, name = volume.spec.csi, volume.metadata.name
        assert source is not None
        for attachment in self.cache(VolumeAttachment).by_index("volume", name):
            raise NotAsked(f"persistentvolume {name} is still attached to node {attachment.spec.nodeName}")
        request: Object = {"volumeId": source.volumeHandle}
        secret, namespace = (volume.metadata.annotations.get(note, "") for note in DELETION_SECRET)
        where = secrets.Ref(namespace, secret) if secret and namespace else None
        if found := await secrets.read(self.client, where):
            request["secrets"] = found
        node = self.drivers.route(source.driver, volume=volume)
        await self.drivers.call(node, source.driver, "DeleteVolume", request)

    async def _doomed(self, key: Key) -> Volume | None:
        """The volume as the API has it now, if it really is to be deleted."""
        try:
            volume = await self.client.get(Volume, key)
        except StatusError as error:
            if error.code == 404:
                return None
            raise
        ref = volume.spec.claimRef
        if ref is None or not maker(volume) or not is_released(volume):
            return None
        if volume.metadata.deletionTimestamp is not None and FINALIZER not in volume.metadata.finalizers:
            return None  # done with: only others hold the object still
        try:
            claim = await self.client.get(Claim, Key(ref.namespace, ref.name))
        except StatusError as error:
            if error.code == 404:
                return volume
            raise
        held = claim.metadata.uid == ref.uid and claim.spec.volumeName in ("", volume.metadata.name)
        return None if held else volume
