"""Claims stay while a pod uses them, volumes while they are bound, attributes classes while they are named (storage
object in use protection)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from longboat.api import kinds
from longboat.api.storage import ATTRIBUTES_CLASS_PROTECTION, CLAIM_PROTECTION, VOLUME_PROTECTION, Claim, Volume
from longboat.api.view import View
from longboat.client.interface import Key
from longboat.controllers.finalizers import hold, let_go
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.controllers.volumes.views import Pod, claims_of, ephemeral_claim, made_for
from longboat.machinery.kinds import Kind


def uses(pod: Pod, claim: Claim) -> bool:
    """Whether the pod, ended or not, keeps the claim. Without a node it does not: it would not start any more."""
    if not pod.spec.nodeName or pod.metadata.namespace != claim.metadata.namespace:
        return False
    for volume in pod.spec.volumes:
        source = volume.persistentVolumeClaim
        if source is not None and source.claimName == claim.metadata.name:
            return True
        if volume.ephemeral is not None and ephemeral_claim(pod, volume) == claim.metadata.name:
            return made_for(pod, claim)
    return False


class ClaimProtection(Controller):
    name = "pvc-protection"
    queue_name = "pvcprotection"
    rights = """
        get list update watch: persistentvolumeclaims
        get list watch: pods
    """
    watches = (Watch(Claim, own_key), Watch(Pod, claims_of))
    workers = 2

    def setup(self) -> None:
        self.cache(Pod).index("claims", claims_of)

    async def reconcile(self, key: Key) -> Requeue | None:
        claim = self.cache(Claim).get(key)
        if claim is None:
            return None
        held = CLAIM_PROTECTION in claim.metadata.finalizers
        if claim.metadata.deletionTimestamp is None:
            if not held:
                await hold(self.client, claim, CLAIM_PROTECTION)
        elif held and not await self._used(key, claim):
            await let_go(self.client, claim, CLAIM_PROTECTION)
        return None

    async def _used(self, key: Key, claim: Claim) -> bool:
        """By the copy, and where that says no, by the API: the copy may lag."""
        if _any_uses(self.cache(Pod).by_index("claims", key), claim):
            return True
        return _any_uses(await self.client.list(Pod, namespace=key.namespace), claim)


def _any_uses(pods: Iterable[Pod], claim: Claim) -> bool:
    return any(uses(pod, claim) for pod in pods)


class VolumeProtection(Controller):
    name = "pv-protection"
    queue_name = "pvprotection"
    rights = "get list update watch: persistentvolumes"
    watches = (Watch(Volume, own_key),)
    workers = 2

    async def reconcile(self, key: Key) -> Requeue | None:
        volume = self.cache(Volume).get(key)
        if volume is None:
            return None
        held = VOLUME_PROTECTION in volume.metadata.finalizers
        if volume.metadata.deletionTimestamp is None:
            if not held:
                await hold(self.client, volume, VOLUME_PROTECTION)
        elif held and volume.status.phase != "Bound":
            await let_go(self.client, volume, VOLUME_PROTECTION)
        return None


class AttributesClass(View):
    KIND: ClassVar[Kind] = kinds.VOLUME_ATTRIBUTES_CLASS


def attributes_classes(obj: Claim | Volume) -> tuple[Key, ...]:
    """The VolumeAttributesClasses that a claim or volume has, or is to have."""
    named = {obj.spec.volumeAttributesClassName or ""}
    if isinstance(obj, Claim):
        changing = obj.status.modifyVolumeStatus
        named.add(obj.status.currentVolumeAttributesClassName or "")
        named.add(changing.targetVolumeAttributesClassName if changing is not None else "")
    return tuple(Key("", name) for name in sorted(named) if name)


class AttributesClassProtection(Controller):
    name = "volumeattributesclass-protection"
    queue_name = "vacprotection"
    rights = """
        get list update watch: storage/volumeattributesclasses
        get list watch: persistentvolumeclaims persistentvolumes
    """
    watches = (Watch(AttributesClass, own_key), Watch(Claim, attributes_classes), Watch(Volume, attributes_classes))
    workers = 1

    def setup(self) -> None:
        self.cache(Claim).index("attributes classes", attributes_classes)
        self.cache(Volume).index("attributes classes", attributes_classes)

    async def reconcile(self, key: Key) -> Requeue | None:
        found = self.cache(AttributesClass).get(key)
        if found is None:
            return None
        held = ATTRIBUTES_CLASS_PROTECTION in found.metadata.finalizers
        if found.metadata.deletionTimestamp is None:
            if not held:
                await hold(self.client, found, ATTRIBUTES_CLASS_PROTECTION)
        elif held and not await self._used(key):
            await let_go(self.client, found, ATTRIBUTES_CLASS_PROTECTION)
        return None

    async def _used(self, key: Key) -> bool:
        """By the copies, and where those say no, by the API: copies may lag."""
        if any(self.cache(view).by_index("attributes classes", key) for view in (Claim, Volume)):
            return True
        if any(key in attributes_classes(each) for each in await self.client.list(Claim)):
            return True
        return any(key in attributes_classes(each) for each in await self.client.list(Volume))
