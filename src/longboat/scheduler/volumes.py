"""The volumes of the cluster as the scheduler sees them: what the API says, and what it has decided beyond that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from longboat.api import storage
from longboat.api.storage import Claim, CSIDriver, CSINode, StorageCapacity, StorageClass, Volume, claim_class
from longboat.api.volume_matching import free_class, holder
from longboat.client.informer import Informer, Informers
from longboat.client.interface import Key
from longboat.machinery import quantity, selectors

ClaimKey = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True)
class Intent:
    """What shall become of a pod's claims on its node: volumes by the claim they are for, and claims to provision."""

    node: str
    bind: dict[ClaimKey, Volume] = field(default_factory=dict)
    provision: tuple[ClaimKey, ...] = ()


class Volumes:
    """`intents`, by uid of the pod, count until the API's copy shows what they have come to."""

    def __init__(self, informers: Informers) -> None:
        self.claims, self.volumes = informers.of(Claim), informers.of(Volume)
        self.classes, self.csi_nodes = informers.of(StorageClass), informers.of(CSINode)
        self.drivers, self.capacities = informers.of(CSIDriver), informers.of(StorageCapacity)
        self.capacities.index("class", lambda room: (room.storageClassName,))
        self.volumes.index("free", free_class)
        self.volumes.index("holder", holder)
        self._intents: dict[str, Intent] = {}

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        return (self.claims, self.volumes, self.classes, self.csi_nodes, self.drivers, self.capacities)

    def on_change(self, tell: Callable[[ClaimKey | None], None]) -> None:
        """Be told of changes that may help a pod: of claims by key, of everything else by None."""

        def claim_changed(old: Claim | None, new: Claim | None) -> None:
            claim = new or old
            if claim is not None and (old is None or new is None or _matters(old) != _matters(new)):
                tell((claim.metadata.namespace, claim.metadata.name))

        def changed(old: Volume | None, new: Volume | None) -> None:
            if old is None or new is None or (old.spec, old.status.phase) != (new.spec, new.status.phase):
                tell(None)

        self.claims.on_change(claim_changed)
        self.volumes.on_change(changed)
        for informer in (self.classes, self.csi_nodes, self.drivers, self.capacities):
            informer.on_change(lambda old, new: tell(None))

    def claim(self, key: ClaimKey) -> Claim | None:
        return self.claims.get(Key(*key))

    def volume(self, name: str) -> Volume | None:
        return self.volumes.get(Key("", name))

    def storage_class(self, claim: Claim) -> StorageClass | None:
        return self.classes.get(Key("", claim_class(claim)))

    def csi_node(self, node: str) -> CSINode | None:
        return self.csi_nodes.get(Key("", node))

    def candidates(self, claim: Claim) -> Iterable[Volume]:
        """Every volume reserved for the claim, and every free one of its class."""
        meta = claim.metadata
        yield from self.volumes.by_index("holder", (meta.namespace, meta.name))
        yield from self.volumes.by_index("free", claim_class(claim))

    def is_local(self, provisioner: str) -> bool:
        """Whether its volumes are made only on nodes that have the driver."""
        return storage.controller_scope(self.drivers.get(Key("", provisioner))) == storage.OF_NODE

    def has_driver(self, node: str, driver: str) -> bool:
        found = self.csi_node(node)
        return found is not None and any(each.name == driver for each in found.spec.drivers)

    def has_room(self, claim: Claim, found: StorageClass, labels: Mapping[str, str]) -> bool:
        """Whether the driver, if it tells how much room it has, has enough for the claim on such a node (KEP-1472)."""
        driver = self.drivers.get(Key("", found.provisioner))
        if driver is None or not driver.spec.storageCapacity:
            return True
        wanted = storage.size(claim.spec.resources.requests)
        return any(
            quantity.parse(most) >= wanted
            for room in self.capacities.by_index("class", found.metadata.name)
            if (most := room.maximumVolumeSize or room.capacity) is not None
            and room.nodeTopology is not None
            and selectors.from_api(room.nodeTopology).matches(labels)
        )

    # What has been decided.

    def intend(self, uid: str, intent: Intent) -> None:
        self._intents[uid] = intent

    def intent(self, uid: str) -> Intent | None:
        return self._intents.get(uid)

    def forget(self, uid: str) -> None:
        self._intents.pop(uid, None)

    def meant_for(self, claim: ClaimKey) -> Volume | None:
        """The volume a claim is going to be bound to."""
        found = (intent.bind.get(claim) for intent in self._intents.values())
        return next((volume for volume in found if volume is not None), None)

    def taken(self, claim: ClaimKey) -> set[str]:
        """Names of the volumes that are going to other claims."""
        return {
            volume.metadata.name
            for intent in self._intents.values()
            for key, volume in intent.bind.items()
            if key != claim
        }

    def selected_node(self, claim: Claim) -> str:
        """The node its volume is being made for; "" while that is open."""
        key = (claim.metadata.namespace, claim.metadata.name)
        intended = (intent.node for intent in self._intents.values() if key in intent.provision)
        return next(intended, "") or claim.metadata.annotations.get(storage.SELECTED_NODE, "")


def _matters(claim: Claim) -> tuple[object, ...]:
    return (claim.spec, claim.status.phase, claim.metadata.annotations, claim.metadata.deletionTimestamp)
