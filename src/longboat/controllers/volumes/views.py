"""What the controllers of volumes read of pods, nodes and secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View, controller_of
from longboat.client.interface import Key
from longboat.machinery.kinds import Kind

ENDED = frozenset(("Succeeded", "Failed"))


class ClaimSource(Part):
    claimName: str = ""
    readOnly: bool = False


class EphemeralSource(Part):
    volumeClaimTemplate: dict[str, object] | None = None


class PodVolume(Part):
    name: str = ""
    persistentVolumeClaim: ClaimSource | None = None
    ephemeral: EphemeralSource | None = None


class PodSpec(Part):
    nodeName: str = ""
    volumes: list[PodVolume] = []


class PodStatus(Part):
    phase: str = ""


class Pod(View):
    KIND: ClassVar[Kind] = kinds.POD

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


def ephemeral_claim(pod: Pod, volume: PodVolume) -> str:
    """The name of the claim that a generic ephemeral volume gets (KEP-1698)."""
    return f"{pod.metadata.name}-{volume.name}"


def claims_of(pod: Pod) -> Iterable[Key]:
    """The claims a pod uses, ephemeral ones included: also the index by which a claim's pods are found."""
    for volume in pod.spec.volumes:
        if volume.persistentVolumeClaim is not None:
            yield Key(pod.metadata.namespace, volume.persistentVolumeClaim.claimName)
        elif volume.ephemeral is not None:
            yield Key(pod.metadata.namespace, ephemeral_claim(pod, volume))


def made_for(pod: Pod, meta_owner: View) -> bool:
    """Whether an ephemeral claim was made for this very pod."""
    owner = controller_of(meta_owner.metadata)
    return owner is not None and owner.uid == pod.metadata.uid


class NodeTaint(Part):
    key: str = ""


class NodeCondition(Part):
    type: str = ""
    status: str = ""
    lastTransitionTime: str | None = None


class AttachedVolume(Part):
    name: str = ""
    devicePath: str = ""


class NodeSpec(Part):
    taints: list[NodeTaint] = []


class NodeStatus(Part):
    conditions: list[NodeCondition] = []
    volumesInUse: list[str] = []
    volumesAttached: list[AttachedVolume] = []


class Node(View):
    KIND: ClassVar[Kind] = kinds.NODE

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class Secret(View):
    KIND: ClassVar[Kind] = kinds.SECRET

    data: dict[str, bytes] = {}


def is_ready(node: Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
