"""The Node object of this node, from what is known of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from longboat.machinery.objects import Object, timestamp
from longboat.node.cri.interface import Condition, Image
from longboat.node.machine import Pressure
from longboat.node.views.objects import NodeCondition

FEATURES = (  # that schedulers and API servers look for: pods, and changes of pods, may depend on them (KEP-5328)
    "GuaranteedQoSPodCPUResize", "InPlacePodLevelResourcesVerticalScaling", "RestartAllContainersOnContainerExits",
)  # fmt: skip
MAX_IMAGES, MAX_NAMES = 50, 5  # as the kubelet lists them
_PRESSURES = (
    ("MemoryPressure", "memory", "KubeletHasInsufficientMemory", "KubeletHasSufficientMemory",
     "kubelet has insufficient memory available", "kubelet has sufficient memory available"),
    ("DiskPressure", "disk", "KubeletHasDiskPressure", "KubeletHasNoDiskPressure",
     "kubelet has disk pressure", "kubelet has no disk pressure"),
    ("PIDPressure", "pids", "KubeletHasInsufficientPID", "KubeletHasSufficientPID",
     "kubelet has insufficient PID available", "kubelet has sufficient PID available"),
)  # fmt: skip


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for as long as the agent runs."""

    name: str
    addresses: tuple[str, ...]
    port: int
    info: Object
    capacity: dict[str, str]
    allocatable: dict[str, str]
    labels: dict[str, str] = {}


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What changes. `runtime` is None where the runtime does not answer, `problem` then says why."""

    pressure: Pressure = Pressure()
    runtime: tuple[Condition, ...] | None = None
    problem: str = ""
    images: tuple[Image, ...] = ()


def node(facts: Facts, health: Health, now: datetime) -> Object:
    """The object as it is registered."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": facts.name,
            "labels": labels(facts),
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": {},
        "status": status(facts, health, (), now),
    }


def labels(facts: Facts) -> dict[str, str]:
    architecture = facts.info["architecture"]
    return {
        "beta.kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": "linux",
        **facts.labels,
    }


def status(
    facts: Facts, health: Health, before: Iterable[NodeCondition], now: datetime, extended: Mapping[str, str] = {}
) -> Object:
    """`before` are the conditions last shown: what has not changed keeps its time. `extended` resources are in the
    node's capacity because somebody has put them there: all of them may be given away."""
    return {
        "addresses": [
            *({"type": "InternalIP", "address": address} for address in facts.addresses),
            {"type": "Hostname", "address": facts.name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": facts.port}},
        "nodeInfo": facts.info,
        "declaredFeatures": list(FEATURES),
        "capacity": facts.capacity,
        "allocatable": {**extended, **facts.allocatable},
        "conditions": conditions(health, before, now),
        "images": _images(health.images),
    }


def conditions(health: Health, before: Iterable[NodeCondition], now: datetime) -> list[Object]:
    listed: list[Object] = []
    for kind, field, bad, good, bad_words, good_words in _PRESSURES:
        under = bool(getattr(health.pressure, field))
        listed.append(_condition(kind, under, bad if under else good, bad_words if under else good_words))
    problem = ready_problem(health)
    if problem:
        listed.append(_condition("Ready", False, "KubeletNotReady", problem))
    else:
        listed.append(_condition("Ready", True, "KubeletReady", "kubelet is posting ready status"))
    since = {(c.type, c.status): c.lastTransitionTime for c in before}
    for condition in listed:
        condition["lastHeartbeatTime"] = timestamp(now)
        condition["lastTransitionTime"] = since.get((condition["type"], condition["status"])) or timestamp(now)
    return listed


def ready_problem(health: Health) -> str:
    """Why pods cannot run here; "" if they can."""
    if health.runtime is None:
        return f"container runtime is down: {health.problem}" if health.problem else "container runtime is down"
    names = {"RuntimeReady": "container runtime not ready", "NetworkReady": "container runtime network not ready"}
    problems = [
        f"{names[c.type]}: {c.type}=false reason:{c.reason} message:{c.message}"
        for c in health.runtime
        if not c.ok and c.type in names
    ]
    return ", ".join(problems)


def essence(status: Mapping[str, object]) -> Object:
    """The status without its heartbeats: what makes an update necessary."""
    shown = dict(status)
    listed: list[Object] = shown.get("conditions", [])  # type: ignore[assignment]
    shown["conditions"] = [{k: v for k, v in c.items() if k != "lastHeartbeatTime"} for c in listed]
    return shown


def _condition(kind: str, is_true: bool, reason: str, message: str) -> Object:
    return {"type": kind, "status": "True" if is_true else "False", "reason": reason, "message": message}


def _images(images: Iterable[Image]) -> list[Object]:
    """The largest first."""
    largest = sorted(images, key=lambda image: image.size, reverse=True)[:MAX_IMAGES]
    return [{"names": [*image.digests, *image.tags][:MAX_NAMES], "sizeBytes": image.size} for image in largest]
