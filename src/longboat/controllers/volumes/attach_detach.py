"""The attach/detach controller: a VolumeAttachment for each volume that must be attached on each node that uses it."""

from __future__ import annotations

from longboat.api import kinds
from longboat.api.storage import Claim, CSIDriver, Volume, VolumeAttachment
from longboat.api.volume_matching import holder, is_bound
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue, Watch
from longboat.controllers.volumes import attachment as rules
from longboat.controllers.volumes.attachment import Attach, Blocked, Detach
from longboat.controllers.volumes.csi.deleter import volume_of
from longboat.controllers.volumes.newest import key_of
from longboat.controllers.volumes.views import ENDED, Node, Pod, claims_of
from longboat.machinery.errors import StatusError

AGAIN = 10.0  # seconds until a volume that is in use elsewhere, or still mounted, is looked at again


def is_placed(pod: Pod) -> bool:
    return bool(pod.spec.nodeName) and pod.status.phase not in ENDED


class AttachDetachController(Controller):
    """Keys are (node, volume); those without a volume's name stand for what a node reports as attached."""

    name = "attachdetach"
    rights = """
        list watch: persistentvolumes persistentvolumeclaims
        get list watch: nodes
        patch update: nodes/status
        list watch: pods
        create delete get list watch: storage/volumeattachments
        get list watch: storage/csidrivers storage/csinodes
    """
    watches = (Watch(VolumeAttachment, lambda attachment: _keys_of(attachment)),)
    reads = (Pod, Claim, Volume, CSIDriver, Node)
    workers = 5

    def setup(self) -> None:
        self.cache(Pod).index("claims", claims_of)
        self.cache(VolumeAttachment).index("volume", volume_of)
        self.cache(VolumeAttachment).index("node", lambda found: (found.spec.nodeName,))
        self.cache(Volume).index("holder", holder)
        self._since: dict[Key, float] = {}  # since when a detachment waits for its node
        self._told: dict[Key, str] = {}  # the last problem told
        self.cache(Pod).on_change(self._pod_changed)
        self.cache(Claim).on_change(self._claim_changed)
        self.cache(Node).on_change(self._node_changed)
        self.cache(VolumeAttachment).on_change(self._attachment_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            if pod is not None and pod.spec.nodeName:
                for claim in claims_of(pod):
                    for volume in self.cache(Volume).by_index("holder", claim):
                        self.queue.add(Key(pod.spec.nodeName, volume.metadata.name))

    def _claim_changed(self, old: Claim | None, new: Claim | None) -> None:
        claim = new or old
        if claim is not None and claim.spec.volumeName:
            for pod in self.cache(Pod).by_index("claims", key_of(claim)):
                if pod.spec.nodeName:
                    self.queue.add(Key(pod.spec.nodeName, claim.spec.volumeName))

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        node = new or old
        assert node is not None
        if old is not None and new is not None and (old.spec, old.status) == (new.spec, new.status):
            return
        for found in self.cache(VolumeAttachment).by_index("node", node.metadata.name):
            for key in _keys_of(found):
                self.queue.add(key)

    def _attachment_changed(self, old: VolumeAttachment | None, new: VolumeAttachment | None) -> None:
        """A volume that is detached here may be waited for elsewhere."""
        if new is None and old is not None:
            for volume in map(self._volume, volume_of(old)):
                for pod in self._users(volume) if volume is not None else ():
                    self.queue.add(Key(pod.spec.nodeName, volume.metadata.name if volume else ""))

    def _volume(self, name: str) -> Volume | None:
        return self.cache(Volume).get(Key("", name))

    def _users(self, volume: Volume) -> list[Pod]:
        """The pods on nodes whose bound claim holds the volume."""
        found = []
        for namespace, name in holder(volume):
            claim = self.cache(Claim).get(Key(namespace, name))
            if claim is not None and is_bound(claim) and claim.spec.volumeName == volume.metadata.name:
                found += [pod for pod in self.cache(Pod).by_index("claims", key_of(claim)) if is_placed(pod)]
        return found

    async def reconcile(self, key: Key) -> Requeue | None:
        if not key.name:
            await self._report(key.namespace)
            return None
        volume = self._volume(key.name)
        if volume is None or volume.spec.csi is None or not self._attaches(volume.spec.csi.driver):
            return None
        return await self._settle(key, volume)

    def _attaches(self, driver: str) -> bool:
        found = self.cache(CSIDriver).get(Key("", driver))
        return found is None or found.spec.attachRequired

    async def _settle(self, key: Key, volume: Volume) -> Requeue | None:
        node, users = key.namespace, self._users(volume)
        here = [pod for pod in users if pod.spec.nodeName == node]
        since = self.clock.monotonic() if here else self._since.setdefault(key, self.clock.monotonic())
        waited = self.clock.monotonic() - since
        free = rules.may_detach(volume, self.cache(Node).get(Key("", node)), waited)
        attachments = self.cache(VolumeAttachment).by_index("volume", volume.metadata.name)
        decision = rules.decide(volume, node, bool(here), attachments, free)
        match decision:
            case Attach():
                await self._attach(volume, node)
            case Detach():
                await self._detach(volume, node)
            case Blocked(nodes=nodes):
                others = [pod for pod in users if pod.spec.nodeName in nodes]
                self._tell(key, here, rules.multi_attach(volume, others))
                return Requeue(AGAIN)
        mine = next((a for a in attachments if a.spec.nodeName == node), None)
        if here:
            self._since.pop(key, None)
            self._outcome(key, here, volume, mine)
        elif mine is not None and mine.metadata.deletionTimestamp is None and not free:
            return Requeue(AGAIN)
        elif mine is None:
            self._since.pop(key, None)
            self._told.pop(key, None)
        return None

    async def _attach(self, volume: Volume, node: str) -> None:
        try:
            await self.client.create(kinds.VOLUME_ATTACHMENT, rules.attachment(volume, node))
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _detach(self, volume: Volume, node: str) -> None:
        try:
            await self.client.delete(kinds.VOLUME_ATTACHMENT, Key("", rules.attachment_name(volume, node)))
        except StatusError as error:
            if error.code != 404:
                raise

    def _outcome(self, key: Key, pods: list[Pod], volume: Volume, mine: VolumeAttachment | None) -> None:
        """Tell pods, once, how the attachment they wait for came out."""
        if mine is None:
            return
        name = volume.metadata.name
        if mine.status.attached:
            if self._told.get(key) != "":
                for pod in pods:
                    what = f'AttachVolume.Attach succeeded for volume "{name}" '
                    self.events.event(pod, "Normal", "SuccessfulAttachVolume", what)
                self._told[key] = ""
        elif mine.status.attachError is not None:
            self._tell(key, pods, f'AttachVolume.Attach failed for volume "{name}" : {mine.status.attachError.message}')

    def _tell(self, key: Key, pods: list[Pod], what: str) -> None:
        if self._told.get(key) != what:
            self._told[key] = what
            for pod in pods:
                self.events.event(pod, "Warning", "FailedAttachVolume", what)

    async def _report(self, name: str) -> None:
        """A node's status lists what is attached to it: its agent mounts nothing before."""
        node = self.cache(Node).get(Key("", name))
        if node is None:
            return
        attached = []
        for found in self.cache(VolumeAttachment).by_index("node", name):
            volume = next((v for v in map(self._volume, volume_of(found)) if v is not None), None)
            if found.status.attached and volume is not None and volume.spec.csi is not None:
                attached.append(rules.unique_name(volume))
        if sorted(attached) != sorted(each.name for each in node.status.volumesAttached):
            listed = [{"name": each, "devicePath": ""} for each in sorted(attached)]
            version = node.metadata.resourceVersion
            patch = {"metadata": {"resourceVersion": version}, "status": {"volumesAttached": listed or None}}
            await self.client.patch(kinds.NODE, Key("", name), patch, subresource="status")


def _keys_of(attachment: VolumeAttachment) -> tuple[Key, ...]:
    node = attachment.spec.nodeName
    return (Key(node, ""), *(Key(node, name) for name in volume_of(attachment)))
