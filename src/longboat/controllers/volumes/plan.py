"""What to do next for a claim or a volume. Pure: the same cluster gives the same steps.

The cases are those of kube-controller-manager's persistent volume binder; reasons and messages are its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from longboat.api import storage, volume_matching
from longboat.api.storage import Claim, StorageClass, Volume
from longboat.controllers.volumes.steps import (
    AskProvisioner,
    AssignClass,
    Bind,
    ClaimPhase,
    Note,
    Step,
    Tell,
    Unbind,
    VolumePhase,
    Wake,
)

IN_TREE = "kubernetes.io/"  # names of provisioners that a control plane without cloud providers does not have
WAITING = "waiting for first consumer to be created before binding"
NOTHING_FITS = "no persistent volumes available for this claim and no storage class is set"
NO_DELETER = "no deletable volume plugin matched"
LOST_REFERENCE = Note("Warning", "ClaimLost", "Bound claim has lost reference to PersistentVolume. "
                      "Data on the volume is lost!")  # fmt: skip
LOST_VOLUME = Note("Warning", "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
MISBOUND = Note("Warning", "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly")
NO_RECYCLER = Note("Warning", "VolumeFailedRecycle", "No recycler plugin found for the volume!")


class World(Protocol):
    """What a plan may look at."""

    def claim(self, namespace: str, name: str) -> Claim | None: ...

    def volume(self, name: str) -> Volume | None: ...

    def candidates(self, claim: Claim) -> Iterable[Volume]:
        """At least every volume reserved for the claim, and every free one of its class."""
        ...

    def storage_class(self, name: str) -> StorageClass | None: ...

    def default_class(self) -> StorageClass | None: ...

    def unscheduled_pods(self, claim: Claim) -> list[str]:
        """Names of pods that use the claim and have no node yet."""
        ...


def for_claim(claim: Claim, world: World) -> list[Step]:
    if storage.BIND_COMPLETED in claim.metadata.annotations:
        return _bound_claim(claim, world)
    if not claim.spec.volumeName:
        return _free_claim(claim, world)
    return _choosy_claim(claim, world)


def _bound_claim(claim: Claim, world: World) -> list[Step]:
    """It was bound once: it stays with that volume or is lost."""
    if not claim.spec.volumeName:
        return [ClaimPhase(claim, "Lost", LOST_REFERENCE)]
    volume = world.volume(claim.spec.volumeName)
    if volume is None:
        return [ClaimPhase(claim, "Lost", LOST_VOLUME)]
    ref = volume.spec.claimRef
    if ref is None or ref.uid == claim.metadata.uid:
        return [Bind(claim, volume)]
    return [ClaimPhase(claim, "Lost", MISBOUND)]


def _free_claim(claim: Claim, world: World) -> list[Step]:
    """Any volume that fits will do."""
    wanted = storage.claim_class(claim)
    found = world.storage_class(wanted) if wanted else None
    delayed = storage.waits_for_consumer(found)
    volume = volume_matching.match(claim, world.candidates(claim), delayed=delayed)
    if volume is not None:
        return [Bind(claim, volume)]
    if _has_no_class(claim) and (default := world.default_class()) is not None:
        return [AssignClass(claim, default.metadata.name)]
    pending = ClaimPhase(claim, "Pending")
    if delayed and storage.SELECTED_NODE not in claim.metadata.annotations:
        return [Tell(claim, _waits(world.unscheduled_pods(claim))), pending]
    if wanted:
        return [*_provision(claim, wanted, found), pending]
    return [Tell(claim, Note("Normal", "FailedBinding", NOTHING_FITS)), pending]


def _has_no_class(claim: Claim) -> bool:
    """Not even the empty one, which asks for a volume without a class."""
    return claim.spec.storageClassName is None and storage.BETA_CLASS not in claim.metadata.annotations


def _waits(pods: list[str]) -> Note:
    if not pods:
        return Note("Normal", "WaitForFirstConsumer", WAITING)
    noun = "pod" if len(pods) == 1 else "pods"
    return Note("Normal", "WaitForPodScheduled", f"waiting for {noun} {','.join(pods)} to be scheduled")


def _provision(claim: Claim, name: str, found: StorageClass | None) -> list[Step]:
    if claim.metadata.deletionTimestamp is not None:
        return []
    if found is None:
        why = f'storageclass.storage.k8s.io "{name}" not found'
        return [Tell(claim, Note("Warning", "ProvisioningFailed", why))]
    if found.provisioner.startswith(IN_TREE):
        why = f"no volume plugin matched name: {found.provisioner}"
        return [Tell(claim, Note("Warning", "ProvisioningFailed", why))]
    return [AskProvisioner(claim, found.provisioner)]


def _choosy_claim(claim: Claim, world: World) -> list[Step]:
    """It names the volume it wants."""
    volume, pending = world.volume(claim.spec.volumeName), ClaimPhase(claim, "Pending")
    if volume is None:
        return [pending]
    if volume.spec.claimRef is None:
        if why := volume_matching.misfit(volume, claim):
            name = volume.metadata.name
            return [Tell(claim, Note("Warning", "VolumeMismatch", f'Cannot bind to requested volume "{name}": {why}')),
                    pending]  # fmt: skip
        return [Bind(claim, volume)]
    if volume_matching.belongs_to(volume, claim):
        return [Bind(claim, volume)]
    why = f'volume "{volume.metadata.name}" already bound to a different claim.'
    return [Tell(claim, Note("Warning", "FailedBinding", why)), pending]


def for_volume(volume: Volume, world: World) -> list[Step]:
    ref = volume.spec.claimRef
    if ref is None:
        return [VolumePhase(volume, "Available")]
    claim = world.claim(ref.namespace, ref.name)
    if not ref.uid:
        waiting: list[Step] = [Wake(claim)] if claim is not None and not claim.spec.volumeName else []
        return [VolumePhase(volume, "Available"), *waiting]
    if claim is None or claim.metadata.uid != ref.uid:
        return _release(volume)
    if not claim.spec.volumeName:
        if volume.spec.volumeMode != claim.spec.volumeMode:
            return _odd_mode(volume, claim)
        return [Wake(claim)]
    if claim.spec.volumeName == volume.metadata.name:
        return [VolumePhase(volume, "Bound")]
    if storage.PROVISIONED_BY in volume.metadata.annotations and _policy(volume) == "Delete":
        return _release(volume)  # made for a claim that found another volume meanwhile
    return [Unbind(volume)]


def _odd_mode(volume: Volume, claim: Claim) -> list[Step]:
    theirs, ours = claim.metadata.name, volume.metadata.name
    about_volume = (
        f'Cannot bind PersistentVolume to requested PersistentVolumeClaim "{theirs}" due to incompatible volumeMode.'
    )
    about_claim = (
        f'Cannot bind PersistentVolume "{ours}" to requested PersistentVolumeClaim due to incompatible volumeMode.'
    )
    return [
        Tell(volume, Note("Warning", "VolumeMismatch", about_volume)),
        Tell(claim, Note("Warning", "VolumeMismatch", about_claim)),
    ]


def _policy(volume: Volume) -> str:
    return volume.spec.persistentVolumeReclaimPolicy


def _release(volume: Volume) -> list[Step]:
    """Its claim is gone. Volumes that were provisioned are deleted by whoever made them, once they are Released."""
    released: list[Step] = [] if volume.status.phase in ("Released", "Failed") else [VolumePhase(volume, "Released")]
    policy = _policy(volume)
    if policy == "Recycle":
        return [*released, VolumePhase(volume, "Failed", NO_RECYCLER.message, NO_RECYCLER)]
    if policy == "Delete" and storage.PROVISIONED_BY not in volume.metadata.annotations:
        why = f'error getting deleter volume plugin for volume "{volume.metadata.name}": {NO_DELETER}'
        return [*released, VolumePhase(volume, "Failed", why, Note("Warning", "VolumeFailedDelete", why))]
    return released
