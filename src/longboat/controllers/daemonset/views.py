"""What the DaemonSet controller reads."""

from __future__ import annotations

from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.affinity import NodeAffinity
from longboat.api.taints import Taint, Toleration
from longboat.api.view import Part, View
from longboat.api.workloads import Condition, Pod, PodSpec, Template
from longboat.machinery.kinds import Kind


class RollingUpdate(Part):
    maxUnavailable: int | str = 1
    maxSurge: int | str = 0


class Strategy(Part):
    type: str = "RollingUpdate"
    rollingUpdate: RollingUpdate = RollingUpdate()


class DaemonSetSpec(Part):
    selector: dict[str, Any] | None = None
    template: Template = Template()
    updateStrategy: Strategy = Strategy()
    minReadySeconds: int = 0
    revisionHistoryLimit: int = 10


class DaemonSetStatus(Part):
    currentNumberScheduled: int = 0
    numberMisscheduled: int = 0
    desiredNumberScheduled: int = 0
    numberReady: int = 0
    updatedNumberScheduled: int = 0
    numberAvailable: int = 0
    numberUnavailable: int = 0
    observedGeneration: int = 0
    collisionCount: int = 0
    conditions: list[Condition] = []


class DaemonSet(View):
    KIND: ClassVar[Kind] = kinds.DAEMON_SET

    spec: DaemonSetSpec = DaemonSetSpec()
    status: DaemonSetStatus = DaemonSetStatus()


class NodeSpec(Part):
    taints: list[Taint] = []


class Node(View):
    KIND: ClassVar[Kind] = kinds.NODE

    spec: NodeSpec = NodeSpec()


class Affinity(Part):
    nodeAffinity: NodeAffinity | None = None


class DaemonPodSpec(PodSpec):
    affinity: Affinity | None = None


class DaemonPod(Pod):
    """One of the set's pods. The scheduler binds it to the node that its affinity names."""

    spec: DaemonPodSpec = DaemonPodSpec()

    @property
    def node(self) -> str:
        """The node that it is on, or meant for."""
        if self.spec.nodeName:
            return self.spec.nodeName
        affinity = self.spec.affinity.nodeAffinity if self.spec.affinity else None
        required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
        for term in required.nodeSelectorTerms if required else ():
            for field in term.matchFields:
                if field.key == "metadata.name" and len(field.values) == 1:
                    return field.values[0]
        return ""


class Placement(Part):
    """Of a pod template: where its pods may run."""

    nodeName: str = ""
    nodeSelector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: list[Toleration] = []
    hostNetwork: bool = False
