"""Carries out VolumeAttachments of drivers of ours (what external-attacher does for others)."""

from __future__ import annotations

from longboat.api import kinds
from longboat.api.storage import Volume, VolumeAttachment
from longboat.client.interface import Key
from longboat.controllers.finalizers import hold, let_go
from longboat.controllers.runtime import Requeue, Watch, own_key
from longboat.controllers.volumes.csi import requests, secrets
from longboat.controllers.volumes.csi.base import CSIController
from longboat.controllers.volumes.csi.calls import NotAsked, RpcError
from longboat.controllers.volumes.csi.deleter import volume_of
from longboat.controllers.volumes.newest import key_of
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, timestamp

NODE_ID = "csi.alpha.kubernetes.io/node-id"  # kept on the attachment: the CSINode may go before it does
PUBLISHES = "PUBLISH_UNPUBLISH_VOLUME"


def finalizer(driver: str) -> str:
    return f"external-attacher/{driver.replace('.', '-')}"


class CSIAttacher(CSIController):
    """Keys with a namespace of "volume" are volumes' whose finalizer may go; all others are attachments'."""

    name = "csi-attacher"
    component = "csi-attacher"
    rights = (
        CSIController.rights
        + """
        get list patch update watch: persistentvolumes storage/volumeattachments
        patch update: storage/volumeattachments/status
        get list watch: persistentvolumeclaims
    """
    )
    watches = (Watch(VolumeAttachment, own_key),)
    reads = (*CSIController.reads, Volume)

    def setup(self) -> None:
        super().setup()
        self.cache(VolumeAttachment).index("volume", volume_of)
        self.cache(Volume).on_change(self._volume_changed)

    def _volume_changed(self, old: Volume | None, new: Volume | None) -> None:
        if new is not None and new.metadata.deletionTimestamp is not None:
            self.queue.add(Key("volume", new.metadata.name))

    def wake(self) -> None:
        for attachment in self.cache(VolumeAttachment).values():
            self.queue.add(key_of(attachment))
        for volume in self.cache(Volume).values():
            self._volume_changed(None, volume)

    def driver_of(self, key: Key) -> str:
        attachment = self.cache(VolumeAttachment).get(key)
        return attachment.spec.attacher if attachment is not None else ""

    def about(self, key: Key) -> object:
        attachment = self.cache(VolumeAttachment).get(key)
        return attachment and (attachment.metadata.uid, attachment.metadata.deletionTimestamp)

    async def serve(self, key: Key) -> Requeue | None:
        if key.namespace:
            await self._release(key.name)
            return None
        attachment = self.cache(VolumeAttachment).get(key)
        if attachment is None or not self.drivers.serves(attachment.spec.attacher):
            return None
        driver = attachment.spec.attacher
        if attachment.metadata.deletionTimestamp is None:
            if not attachment.status.attached:
                await self._attach(attachment, driver)
        elif finalizer(driver) in attachment.metadata.finalizers:
            await self._detach(attachment, driver)
        return None

    async def _attach(self, attachment: VolumeAttachment, driver: str) -> None:
        try:
            volume = self._volume(attachment)
            node = self.drivers.route(driver, node=attachment.spec.nodeName)
            status: Object = {"attached": True, "attachError": None}
            if await self.drivers.can(driver, node, PUBLISHES):
                node_id = await self._hold(attachment, volume, driver)
                answer = await self._publish(volume, driver, node, node_id)
                status["attachmentMetadata"] = answer.get("publishContext") or {}
        except RpcError as error:
            await self._failed(attachment, "attachError", error)
            raise
        await self._status(attachment, status)

    def _volume(self, attachment: VolumeAttachment) -> Volume:
        name = attachment.spec.source.persistentVolumeName or ""
        volume = self.cache(Volume).get(Key("", name))
        if volume is None or volume.spec.csi is None:
            raise NotAsked(f'persistentvolume "{name}" not found')
        return volume

    async def _hold(self, attachment: VolumeAttachment, volume: Volume, driver: str) -> str:
        """Nothing that is attached goes unnoticed. Returns the node's id with the driver. Raises RpcError."""
        registered = self.drivers.on_node(driver, attachment.spec.nodeName)
        if registered is None:
            raise RpcError("UNAVAILABLE", f"node {attachment.spec.nodeName} has no driver {driver}")
        await hold(self.client, volume, finalizer(driver))
        patch: Object = {"metadata": {"uid": attachment.metadata.uid, "annotations": {NODE_ID: registered.nodeID}}}
        if finalizer(driver) not in attachment.metadata.finalizers:
            patch["metadata"]["finalizers"] = [finalizer(driver)]
        await self.client.patch(kinds.VOLUME_ATTACHMENT, key_of(attachment), patch, style="strategic")
        return registered.nodeID

    async def _publish(self, volume: Volume, driver: str, node: str, node_id: str) -> Object:
        source = volume.spec.csi
        assert source is not None
        request: Object = {
            "volumeId": source.volumeHandle,
            "nodeId": node_id,
            "volumeCapability": requests.of_volume(
                volume, await self.drivers.can(driver, node, requests.SINGLE_WRITERS)
            ),
            "readonly": source.readOnly,
            "volumeContext": source.volumeAttributes,
            **await self._secrets(volume),
        }
        return await self.drivers.call(node, driver, "ControllerPublishVolume", request)

    async def _secrets(self, volume: Volume) -> Object:
        ref = volume.spec.csi.controllerPublishSecretRef if volume.spec.csi else None
        found = await secrets.read(self.client, secrets.Ref(ref.namespace, ref.name) if ref else None)
        return {"secrets": found} if found else {}

    async def _detach(self, attachment: VolumeAttachment, driver: str) -> None:
        try:
            volume = self._volume(attachment)
            assert volume.spec.csi is not None
            request = {
                "volumeId": volume.spec.csi.volumeHandle,
                "nodeId": attachment.metadata.annotations.get(NODE_ID, ""),
                **await self._secrets(volume),
            }
            node = self.drivers.route(driver, node=attachment.spec.nodeName)
            await self.drivers.call(node, driver, "ControllerUnpublishVolume", request)
        except RpcError as error:
            await self._failed(attachment, "detachError", error)
            raise
        await let_go(self.client, attachment, finalizer(driver))
        await self._release(volume.metadata.name)

    async def _release(self, name: str) -> None:
        """A volume that is to go and is attached nowhere is held no longer."""
        volume = self.cache(Volume).get(Key("", name))
        driver = volume.spec.csi.driver if volume is not None and volume.spec.csi is not None else ""
        if volume is None or volume.metadata.deletionTimestamp is None or not self.drivers.serves(driver):
            return
        if finalizer(driver) not in volume.metadata.finalizers:
            return
        attachments = await self.client.list(VolumeAttachment)
        if not any(name in volume_of(attachment) for attachment in attachments):
            await let_go(self.client, volume, finalizer(driver))

    async def _failed(self, attachment: VolumeAttachment, field: str, error: RpcError) -> None:
        found = {"time": timestamp(self.clock.now()), "message": str(error)}
        before = attachment.status.attachError if field == "attachError" else attachment.status.detachError
        if before is None or before.message != str(error):
            await self._status(attachment, {field: found})

    async def _status(self, attachment: VolumeAttachment, status: Object) -> None:
        patch = {"metadata": {"uid": attachment.metadata.uid}, "status": status}
        try:
            await self.client.patch(kinds.VOLUME_ATTACHMENT, key_of(attachment), patch, subresource="status")
        except StatusError as error:
            if error.code != 404:
                raise
