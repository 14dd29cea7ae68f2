"""Which PersistentVolume a pod's volume stands for, and what may stand in the way, in the kubelet's words. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from longboat.api.affinity import selector_matches
from longboat.client.interface import Key
from longboat.node.views.pod import Pod
from longboat.node.views.storage import Claim, PersistentVolume
from longboat.node.views.volumes import Volume


class Unbound(Exception):
    """A claim that cannot be used, or not yet."""


def claim_of(pod: Pod, volume: Volume) -> Key | None:
    """The claim a volume stands for; None for one that stands for none."""
    namespace = pod.metadata.namespace
    if volume.persistentVolumeClaim is not None:
        return Key(namespace, volume.persistentVolumeClaim.claimName)
    if volume.ephemeral is not None:
        return Key(namespace, f"{pod.metadata.name}-{volume.name}")
    return None


def is_read_only(volume: Volume) -> bool:
    return volume.persistentVolumeClaim is not None and volume.persistentVolumeClaim.readOnly


def check_claim(pod: Pod, volume: Volume, claim: Claim) -> None:
    """Raises Unbound."""
    meta = claim.metadata
    if volume.ephemeral is not None and not any(
        owner.controller and owner.uid == pod.uid for owner in meta.ownerReferences
    ):
        raise Unbound(
            f"PVC {meta.namespace}/{meta.name} was not created for pod "
            f"{pod.metadata.namespace}/{pod.metadata.name} (pod is not owner)"
        )
    if meta.deletionTimestamp is not None:
        raise Unbound("PVC is being deleted")
    if claim.status.phase != "Bound":
        raise Unbound("PVC is not bound")
    if not claim.spec.volumeName:
        raise Unbound("PVC has empty pvc.Spec.VolumeName")


def check_volume(pod: Pod, volume: Volume, claim: Claim, bound: PersistentVolume) -> None:
    """Raises Unbound."""
    name, ref, uid = bound.metadata.name, bound.spec.claimRef, claim.metadata.uid
    if ref is None:
        nil = "it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim"
        raise Unbound(f"found PV object {name} but {nil}")
    if ref.uid != uid:
        raise Unbound(
            f"found PV object {name} but its pv.Spec.ClaimRef.UID {ref.uid} does not point to claim.UID {uid}"
        )
    mode = bound.spec.volumeMode
    if mode == "Block" and volume.name in mounted(pod):
        raise Unbound(f"volume {volume.name} has volumeMode {mode}, but is specified in volumeMounts")
    if mode != "Block" and volume.name in as_devices(pod):
        raise Unbound(f"volume {volume.name} has volumeMode {mode}, but is specified in volumeDevices")


def mounted(pod: Pod) -> set[str]:
    """The names of volumes that containers mount."""
    return {mount.name for container in pod.all_containers for mount in container.volumeMounts}


def as_devices(pod: Pod) -> set[str]:
    """The names of volumes that containers use as devices."""
    return {device.name for container in pod.all_containers for device in container.volumeDevices}


def is_near(bound: PersistentVolume, labels: Mapping[str, str], node: str) -> bool:
    """Whether a node may use a volume."""
    affinity = bound.spec.nodeAffinity
    return affinity is None or affinity.required is None or selector_matches(affinity.required, labels, node)
