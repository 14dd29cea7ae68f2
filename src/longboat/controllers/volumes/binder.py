"""The persistent volume binder: brings claims and volumes together, and lets go of volumes whose claims are gone."""

from __future__ import annotations

from collections.abc import Iterable

from longboat.api import storage
from longboat.api.storage import Claim, StorageClass, Volume
from longboat.api.volume_matching import free_class, holder
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.controllers.volumes import plan
from longboat.controllers.volumes.hands import Hands
from longboat.controllers.volumes.newest import Newest, key_of
from longboat.controllers.volumes.steps import ClaimPhase, Step
from longboat.controllers.volumes.views import ENDED, Pod, claims_of

LOOK_AGAIN = 300.0  # seconds after which a claim that waits is told so anew


def waiting_for(claim: Claim) -> tuple[str, ...]:
    """An index: claims without a volume, by class."""
    return (storage.claim_class(claim),) if not claim.spec.volumeName else ()


class PersistentVolumeBinder(Controller):
    """Keys with a namespace are claims', those without are volumes'. One worker: two claims never want one volume."""

    name = "persistentvolume-binder"
    queue_name = "claims"
    component = "persistentvolume-controller"
    account = "persistent-volume-binder"
    rights = """
        create delete get list patch update watch: persistentvolumes
        patch update: persistentvolumes/status persistentvolumeclaims/status
        get list patch update watch: persistentvolumeclaims
        get list watch: storage/storageclasses
        create delete get list watch: pods
        get list: nodes
    """
    watches = (Watch(Claim, own_key), Watch(Volume, own_key))
    reads = (StorageClass, Pod)
    workers = 1

    def setup(self) -> None:
        claims, volumes = self.cache(Claim), self.cache(Volume)
        claims.index("waiting", waiting_for)
        claims.index("volume", lambda claim: (claim.spec.volumeName,) if claim.spec.volumeName else ())
        volumes.index("free", free_class)
        volumes.index("holder", holder)
        self.cache(Pod).index("claims", claims_of)
        self._claims, self._volumes = Newest(claims), Newest(volumes)
        self._hands = Hands(self.client, self.events, self._claims, self._volumes, self.queue.add_after)
        claims.on_change(self._claim_changed)
        volumes.on_change(self._volume_changed)
        self.cache(StorageClass).on_change(self._class_changed)

    # What a change of one object means for others.

    def _claim_changed(self, old: Claim | None, new: Claim | None) -> None:
        for claim in (old, new):
            if claim is not None:
                names = {v.metadata.name for v in self.cache(Volume).by_index("holder", key_of(claim))}
                for name in names | ({claim.spec.volumeName} if claim.spec.volumeName else set()):
                    self.queue.add(Key("", name))

    def _volume_changed(self, old: Volume | None, new: Volume | None) -> None:
        volume = new or old
        assert volume is not None
        for claim in self.cache(Claim).by_index("volume", volume.metadata.name):
            self.queue.add(key_of(claim))
        for namespace, name in holder(volume):
            self.queue.add(Key(namespace, name))
        if new is not None and free_class(new) and new.status.phase == "Available":
            self._wake(storage.volume_class(new))

    def _class_changed(self, old: StorageClass | None, new: StorageClass | None) -> None:
        if new is not None:
            self._wake(new.metadata.name)
            if storage.is_default(new):
                self._wake("")

    def _wake(self, storage_class: str) -> None:
        for claim in self.cache(Claim).by_index("waiting", storage_class):
            self.queue.add(key_of(claim))

    # plan.World

    def claim(self, namespace: str, name: str) -> Claim | None:
        return self._claims.get(Key(namespace, name))

    def volume(self, name: str) -> Volume | None:
        return self._volumes.get(Key("", name))

    def candidates(self, claim: Claim) -> Iterable[Volume]:
        cached = self.cache(Volume)
        yield from map(self._volumes.newest, cached.by_index("holder", key_of(claim)))
        yield from map(self._volumes.newest, cached.by_index("free", storage.claim_class(claim)))

    def storage_class(self, name: str) -> StorageClass | None:
        return self.cache(StorageClass).get(Key("", name))

    def default_class(self) -> StorageClass | None:
        """Of several, the one made last (KEP-3333)."""
        defaults = [c for c in self.cache(StorageClass).values() if storage.is_default(c)]
        names_first = sorted(defaults, key=lambda c: c.metadata.name)
        return max(names_first, key=lambda c: c.metadata.creationTimestamp or "", default=None)

    def unscheduled_pods(self, claim: Claim) -> list[str]:
        pods = self.cache(Pod).by_index("claims", key_of(claim))
        return sorted(p.metadata.name for p in pods if not p.spec.nodeName and p.status.phase not in ENDED)

    async def reconcile(self, key: Key) -> Requeue | None:
        steps: list[Step] = []
        if key.namespace:
            if (claim := self._claims.get(key)) is not None:
                steps = plan.for_claim(claim, self)
        elif (volume := self._volumes.get(key)) is not None:
            steps = plan.for_volume(volume, self)
        for step in steps:
            await self._hands.perform(step)
        waits = any(isinstance(step, ClaimPhase) and step.phase == "Pending" for step in steps)
        return Requeue(LOOK_AGAIN) if waits else None
