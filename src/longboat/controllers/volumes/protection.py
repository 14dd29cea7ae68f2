"""Claims stay while a pod uses them, volumes while they are bound (storage object in use protection)."""

from __future__ import annotations

from collections.abc import Iterable

from longboat.api.storage import CLAIM_PROTECTION, VOLUME_PROTECTION, Claim, Volume
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.controllers.volumes.finalizers import hold, let_go
from longboat.controllers.volumes.views import Pod, claims_of, ephemeral_claim, made_for


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
