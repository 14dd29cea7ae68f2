"""What the scheduler reads of pods and nodes."""

from __future__ import annotations

from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.affinity import NodeAffinity
from longboat.api.resources import Held, Holdings, ResourceContainer, Resources
from longboat.api.taints import Taint, Toleration
from longboat.api.view import Part, View
from longboat.machinery.kinds import Kind


class ContainerPort(Part):
    hostPort: int = 0
    hostIP: str = ""
    protocol: str = "TCP"


class Container(ResourceContainer):
    image: str = ""
    ports: list[ContainerPort] = []


class PodAffinityTerm(Part):
    labelSelector: dict[str, Any] | None = None
    namespaceSelector: dict[str, Any] | None = None
    namespaces: list[str] = []
    topologyKey: str = ""
    matchLabelKeys: list[str] = []
    mismatchLabelKeys: list[str] = []


class WeightedPodAffinityTerm(Part):
    weight: int = 0
    podAffinityTerm: PodAffinityTerm = PodAffinityTerm()


class PodAffinity(Part):
    requiredDuringSchedulingIgnoredDuringExecution: list[PodAffinityTerm] = []
    preferredDuringSchedulingIgnoredDuringExecution: list[WeightedPodAffinityTerm] = []


class Affinity(Part):
    nodeAffinity: NodeAffinity | None = None
    podAffinity: PodAffinity | None = None
    podAntiAffinity: PodAffinity | None = None


class TopologySpreadConstraint(Part):
    maxSkew: int = 1
    topologyKey: str = ""
    whenUnsatisfiable: str = "DoNotSchedule"
    labelSelector: dict[str, Any] | None = None
    minDomains: int | None = None
    nodeAffinityPolicy: str = "Honor"
    nodeTaintsPolicy: str = "Ignore"
    matchLabelKeys: list[str] = []


class SchedulingGate(Part):
    name: str = ""


class ClaimSource(Part):
    claimName: str = ""


class PodVolume(Part):
    name: str = ""
    persistentVolumeClaim: ClaimSource | None = None
    ephemeral: dict[str, Any] | None = None


class PodSpec(Part):
    nodeName: str = ""
    schedulerName: str = "default-scheduler"
    priority: int = 0
    preemptionPolicy: str = "PreemptLowerPriority"
    nodeSelector: dict[str, str] = {}
    affinity: Affinity = Affinity()
    tolerations: list[Toleration] = []
    containers: list[Container] = []
    initContainers: list[Container] = []
    overhead: dict[str, str] = {}
    resources: Resources | None = None
    topologySpreadConstraints: list[TopologySpreadConstraint] = []
    schedulingGates: list[SchedulingGate] = []
    volumes: list[PodVolume] = []


class Condition(Part):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    observedGeneration: int = 0


class PodStatus(Part):
    phase: str = ""
    startTime: str | None = None
    nominatedNodeName: str = ""
    conditions: list[Condition] = []
    containerStatuses: list[Held] = []
    initContainerStatuses: list[Held] = []
    resources: Resources = Resources()  # of the pod as a whole, as allocatedResources
    allocatedResources: dict[str, str] = {}


class Pod(View):
    KIND: ClassVar[Kind] = kinds.POD

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def holdings(self) -> Holdings:
        """What it has of its node."""
        status = self.status
        infeasible = any(c.type == "PodResizePending" and c.reason == "Infeasible" for c in status.conditions)
        whole = Held(resources=status.resources, allocatedResources=status.allocatedResources)
        return Holdings((*status.containerStatuses, *status.initContainerStatuses), whole, infeasible=infeasible)


class NodeSpec(Part):
    unschedulable: bool = False
    taints: list[Taint] = []


class NodeStatus(Part):
    allocatable: dict[str, str] = {}


class Node(View):
    KIND: ClassVar[Kind] = kinds.NODE

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class BudgetSpec(Part):
    selector: dict[str, Any] | None = None


class BudgetStatus(Part):
    disruptionsAllowed: int = 0
    disruptedPods: dict[str, str] = {}


class PodDisruptionBudget(View):
    KIND: ClassVar[Kind] = kinds.POD_DISRUPTION_BUDGET

    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()


class Namespace(View):
    KIND: ClassVar[Kind] = kinds.NAMESPACE
