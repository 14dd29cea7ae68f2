"""What autoscaling takes of the API's objects."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.api.resources import ResourceContainer
from longboat.api.view import Part, View
from longboat.machinery.kinds import Kind


class Reference(Part):
    apiVersion: str = ""
    kind: str = ""
    name: str = ""


class Target(Part):
    type: str = ""
    averageUtilization: int | None = None
    averageValue: str | None = None
    value: str | None = None


class ResourceSource(Part):
    """`container` is set for a ContainerResource only."""

    name: str = ""
    container: str = ""
    target: Target = Target()


class PlainResource(Part):
    name: str = ""
    target: Target = Target()


class Metric(Part):
    type: str = ""
    resource: PlainResource | None = None
    containerResource: ResourceSource | None = None


class ScalingPolicy(Part):
    type: str = ""
    value: int = 0
    periodSeconds: int = 0


class ScalingRules(Part):
    stabilizationWindowSeconds: int | None = None
    selectPolicy: str = "Max"
    policies: list[ScalingPolicy] = []


class Behavior(Part):
    scaleUp: ScalingRules | None = None
    scaleDown: ScalingRules | None = None


class ScalerSpec(Part):
    scaleTargetRef: Reference = Reference()
    minReplicas: int = 1
    maxReplicas: int = 0
    metrics: list[Metric] = []
    behavior: Behavior = Behavior()


class ScalerCondition(Part):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    lastTransitionTime: str | None = None


class ScalerStatus(Part):
    observedGeneration: int = 0
    lastScaleTime: str | None = None
    currentReplicas: int = 0
    desiredReplicas: int = 0
    conditions: list[ScalerCondition] = []


class Scaler(View):
    KIND: ClassVar[Kind] = kinds.HPA

    spec: ScalerSpec = ScalerSpec()
    status: ScalerStatus = ScalerStatus()


class PodCondition(Part):
    type: str = ""
    status: str = ""
    lastTransitionTime: str | None = None


class PodSpec(Part):
    containers: list[ResourceContainer] = []
    initContainers: list[ResourceContainer] = []


class PodStatus(Part):
    phase: str = ""
    startTime: str | None = None
    conditions: list[PodCondition] = []


class ScaledPod(View):
    KIND: ClassVar[Kind] = kinds.POD

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()
