"""Generic ephemeral volumes (KEP-1698): each gets a claim of its own, which goes with its pod."""

from __future__ import annotations

from longboat.api import kinds
from longboat.api.storage import Claim
from longboat.client.interface import Key
from longboat.controllers.ownership import owner_reference
from longboat.controllers.runtime import Controller, Requeue, Watch, namespace_is_going, own_key
from longboat.controllers.volumes.views import ENDED, Pod, PodVolume, ephemeral_claim, made_for
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object


def has_ephemeral(pod: Pod) -> bool:
    return any(volume.ephemeral is not None for volume in pod.spec.volumes)


def claim_for(pod: Pod, volume: PodVolume) -> Object:
    """The claim as it is created: the template's labels, annotations and spec, owned by the pod."""
    assert volume.ephemeral is not None
    template: Object = volume.ephemeral.volumeClaimTemplate or {}
    given = template.get("metadata") or {}
    metadata = {field: given[field] for field in ("labels", "annotations") if given.get(field)}
    metadata |= {"name": ephemeral_claim(pod, volume), "ownerReferences": [owner_reference(pod)]}
    return {"metadata": metadata, "spec": template.get("spec") or {}}


class EphemeralVolumeController(Controller):
    name = "ephemeral-volume"
    component = "ephemeral_volume"
    rights = """
        get list watch: pods
        update: pods/finalizers
        create get list watch: persistentvolumeclaims
    """
    watches = (Watch(Pod, own_key, when=has_ephemeral),)
    reads = (Claim,)
    workers = 2

    def setup(self) -> None:
        self.cache(Claim).on_change(self._claim_changed)

    def _claim_changed(self, old: Claim | None, new: Claim | None) -> None:
        """A claim that is deleted under a pod is made anew."""
        if old is not None and new is None:
            for owner in old.metadata.ownerReferences:
                if owner.kind == "Pod" and owner.controller:
                    self.queue.add(Key(old.metadata.namespace, owner.name))

    async def reconcile(self, key: Key) -> Requeue | None:
        pod = self.cache(Pod).get(key)
        if pod is None or pod.metadata.deletionTimestamp is not None or pod.status.phase in ENDED:
            return None
        for volume in pod.spec.volumes:
            if volume.ephemeral is not None:
                await self._ensure(pod, volume)
        return None

    async def _ensure(self, pod: Pod, volume: PodVolume) -> None:
        name = ephemeral_claim(pod, volume)
        found = self.cache(Claim).get(Key(pod.metadata.namespace, name))
        if found is not None:
            if not made_for(pod, found):
                # The name is taken: no data of others is used as scratch space.
                raise StatusError(409, "Conflict", f"PVC {pod.metadata.namespace}/{name} was not created for pod "
                                  f"{pod.metadata.namespace}/{pod.metadata.name} (pod is not owner)")  # fmt: skip
            return
        try:
            await self.client.create(
                kinds.PERSISTENT_VOLUME_CLAIM, claim_for(pod, volume), namespace=pod.metadata.namespace
            )
        except StatusError as error:
            if error.reason == "AlreadyExists" or namespace_is_going(error):
                return
            what = f"ephemeral volume {volume.name}: create PVC {name}: {error}"
            self.events.event(pod, "Warning", "EphemeralVolumeCreateFailed", what)
            raise
