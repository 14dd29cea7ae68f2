"""Which volumes are to be attached to which nodes. Pure; the rules are those of the attach/detach controller."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from longboat.api.storage import Volume, VolumeAttachment
from longboat.api.taints import OUT_OF_SERVICE
from longboat.controllers.volumes.views import Node, Pod, is_ready
from longboat.machinery.objects import Object

FORCED_AFTER = 360.0  # seconds a node that is not ready is given to unmount (reconcilerMaxWaitForUnmountDuration)
SHARED = frozenset(("ReadWriteMany", "ReadOnlyMany"))


@dataclass(frozen=True, slots=True)
class Attach:
    pass


@dataclass(frozen=True, slots=True)
class Detach:
    pass


@dataclass(frozen=True, slots=True)
class Blocked:
    """It is attached elsewhere, and cannot be in two places."""

    nodes: tuple[str, ...]


def attachment_name(volume: Volume, node: str) -> str:
    """The name of the VolumeAttachment: asking twice makes one (csi plugin, getAttachmentName)."""
    source = volume.spec.csi
    assert source is not None
    text = f"{source.volumeHandle}{source.driver}{node}"
    return f"csi-{hashlib.sha256(text.encode()).hexdigest()}"


def unique_name(volume: Volume) -> str:
    """What nodes call it in volumesInUse and volumesAttached."""
    source = volume.spec.csi
    assert source is not None
    return f"kubernetes.io/csi/{source.driver}^{source.volumeHandle}"


def attachment(volume: Volume, node: str) -> Object:
    assert volume.spec.csi is not None
    return {
        "metadata": {"name": attachment_name(volume, node)},
        "spec": {
            "attacher": volume.spec.csi.driver,
            "nodeName": node,
            "source": {"persistentVolumeName": volume.metadata.name},
        },
    }


def decide(
    volume: Volume, node: str, wanted: bool, attachments: Iterable[VolumeAttachment], may_detach: bool
) -> Attach | Detach | Blocked | None:
    """What to do about one volume on one node, given all attachments of the volume."""
    name, elsewhere, here = attachment_name(volume, node), [], None
    for found in attachments:
        if found.metadata.name == name:
            here = found
        elif found.spec.nodeName != node:
            elsewhere.append(found.spec.nodeName)
    if here is not None:
        gone = here.metadata.deletionTimestamp is not None
        return Detach() if not wanted and not gone and may_detach else None
    if not wanted:
        return None
    if elsewhere and not SHARED & set(volume.spec.accessModes):
        return Blocked(tuple(sorted(elsewhere)))
    return Attach()


def may_detach(volume: Volume, node: Node | None, waited: float) -> bool:
    """Whether the node is done with the volume, or cannot be waited for."""
    if node is None or any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints):
        return True
    if unique_name(volume) not in node.status.volumesInUse:
        return True
    return waited >= FORCED_AFTER and not is_ready(node)


def multi_attach(volume: Volume, users: Iterable[Pod]) -> str:
    """What the pod that must wait is told."""
    names = sorted({pod.metadata.name for pod in users})
    said = f'Multi-Attach error for volume "{volume.metadata.name}" Volume is already'
    if names:
        return f"{said} used by pod(s) {', '.join(names)}"
    return f"{said} exclusively attached to one node and can't be attached to another"
