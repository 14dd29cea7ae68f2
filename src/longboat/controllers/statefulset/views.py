"""What the StatefulSet controller reads."""

from __future__ import annotations

from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.api.workloads import Condition, Template
from longboat.machinery.kinds import Kind


class Ordinals(Part):
    start: int = 0


class RollingUpdate(Part):
    partition: int = 0
    maxUnavailable: int | str | None = None


class Strategy(Part):
    type: str = "RollingUpdate"
    rollingUpdate: RollingUpdate = RollingUpdate()


class Retention(Part):
    whenDeleted: str = "Retain"
    whenScaled: str = "Retain"


class StatefulSetSpec(Part):
    replicas: int = 1
    selector: dict[str, Any] | None = None
    template: Template = Template()
    serviceName: str = ""
    podManagementPolicy: str = "OrderedReady"
    updateStrategy: Strategy = Strategy()
    revisionHistoryLimit: int = 10
    minReadySeconds: int = 0
    ordinals: Ordinals = Ordinals()
    volumeClaimTemplates: list[dict[str, Any]] = []
    persistentVolumeClaimRetentionPolicy: Retention = Retention()


class StatefulSetStatus(Part):
    observedGeneration: int = 0
    replicas: int = 0
    readyReplicas: int = 0
    availableReplicas: int = 0
    currentReplicas: int = 0
    updatedReplicas: int = 0
    currentRevision: str = ""
    updateRevision: str = ""
    collisionCount: int = 0
    conditions: list[Condition] = []


class StatefulSet(View):
    KIND: ClassVar[Kind] = kinds.STATEFUL_SET

    spec: StatefulSetSpec = StatefulSetSpec()
    status: StatefulSetStatus = StatefulSetStatus()


class Claim(View):
    KIND: ClassVar[Kind] = kinds.PERSISTENT_VOLUME_CLAIM
