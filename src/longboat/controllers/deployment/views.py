"""What the Deployment controller reads."""

from __future__ import annotations

from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.api.workloads import Condition, Template
from longboat.machinery.kinds import Kind


class RollingUpdate(Part):
    maxSurge: int | str = "25%"
    maxUnavailable: int | str = "25%"


class Strategy(Part):
    type: str = "RollingUpdate"
    rollingUpdate: RollingUpdate = RollingUpdate()


class DeploymentSpec(Part):
    replicas: int = 1
    selector: dict[str, Any] | None = None
    template: Template = Template()
    strategy: Strategy = Strategy()
    minReadySeconds: int = 0
    revisionHistoryLimit: int = 10
    paused: bool = False
    progressDeadlineSeconds: int = 600


class DeploymentStatus(Part):
    observedGeneration: int = 0
    replicas: int = 0
    updatedReplicas: int = 0
    readyReplicas: int = 0
    availableReplicas: int = 0
    unavailableReplicas: int = 0
    terminatingReplicas: int | None = None
    collisionCount: int = 0
    conditions: list[Condition] = []


class Deployment(View):
    KIND: ClassVar[Kind] = kinds.DEPLOYMENT

    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()
