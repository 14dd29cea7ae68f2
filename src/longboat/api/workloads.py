"""Views of pods and ReplicaSets as the controllers of workloads see them, and what they ask of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import parse_timestamp

POD_HASH = "pod-template-hash"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


class Condition(Part):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    lastTransitionTime: str | None = None
    lastUpdateTime: str | None = None


class ContainerStatus(Part):
    name: str = ""
    restartCount: int = 0


class PodSpec(Part):
    nodeName: str = ""


class PodStatus(Part):
    phase: str = ""
    conditions: list[Condition] = []
    containerStatuses: Sequence[ContainerStatus] = ()


class Pod(View):
    """A pod as its workload's controller sees it."""

    KIND: ClassVar[Kind] = kinds.POD

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Template(Part):
    """A pod template: read for its labels, else only passed on."""

    metadata: dict[str, Any] = {}
    spec: msgspec.Raw = msgspec.Raw(b"{}")


class ReplicaSetSpec(Part):
    replicas: int = 1
    minReadySeconds: int = 0
    selector: dict[str, Any] | None = None
    template: Template = Template()


class ReplicaSetStatus(Part):
    replicas: int = 0
    fullyLabeledReplicas: int = 0
    readyReplicas: int = 0
    availableReplicas: int = 0
    terminatingReplicas: int | None = None
    observedGeneration: int = 0
    conditions: list[Condition] = []


class ReplicaSet(View):
    KIND: ClassVar[Kind] = kinds.REPLICA_SET

    spec: ReplicaSetSpec = ReplicaSetSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()

    @property
    def selector(self) -> dict[str, Any] | None:
        """A LabelSelector."""
        return self.spec.selector


class ReplicationController(ReplicaSet):
    """What a ReplicaSet was before there were label selectors: its own is a map of labels."""

    KIND: ClassVar[Kind] = kinds.REPLICATION_CONTROLLER

    @property
    def selector(self) -> dict[str, Any] | None:
        return {"matchLabels": self.spec.selector or {}}


def active(pod: Pod) -> bool:
    """Neither finished nor on its way out."""
    return pod.status.phase not in ("Succeeded", "Failed") and pod.metadata.deletionTimestamp is None


def ready_since(pod: Pod) -> datetime | None:
    """Since when the pod has been ready; None while it is not."""
    for condition in pod.status.conditions:
        if condition.type == "Ready" and condition.status == "True":
            changed = condition.lastTransitionTime or pod.metadata.creationTimestamp
            return parse_timestamp(changed) if changed else None
    return None


def is_ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def available_in(pod: Pod, min_ready_seconds: int, now: datetime) -> timedelta | None:
    """How long until a ready pod counts as available (zero or less: it does); None while it is not ready."""
    if not is_ready(pod):
        return None
    since = ready_since(pod)
    if not min_ready_seconds or since is None:
        return timedelta(0)
    return since + timedelta(seconds=min_ready_seconds) - now


def is_available(pod: Pod, min_ready_seconds: int, now: datetime) -> bool:
    wait = available_in(pod, min_ready_seconds, now)
    return wait is not None and wait <= timedelta(0)
