"""Pods that have written more to the node's disk than they may (KEP-361, the kubelet's words). Pure."""

from __future__ import annotations

from typing import NamedTuple

from longboat.api import resources
from longboat.machinery import quantity
from longboat.machinery.quantity import ZERO, Quantity
from longboat.node.eviction.signals import STORAGE
from longboat.node.eviction.usage import PodUse
from longboat.node.views.pod import Pod


def size_limits(pod: Pod) -> dict[str, Quantity]:
    """Of emptyDir volumes on disk, by name."""
    found = {
        volume.name: quantity.parse(volume.emptyDir.sizeLimit)
        for volume in pod.spec.volumes
        if volume.emptyDir is not None and volume.emptyDir.sizeLimit and volume.emptyDir.medium != "Memory"
    }
    return {name: limit for name, limit in found.items() if limit.amount > 0}


def container_limits(pod: Pod) -> dict[str, Quantity]:
    """Of what ordinary containers write beside their mounts, and log."""
    return {
        container.name: quantity.parse(limit)
        for container in pod.spec.containers
        if (limit := container.resources.limits.get(STORAGE)) and resources.amount(STORAGE, limit)
    }


def pod_limit(pod: Pod) -> Quantity | None:
    """What the containers' limits come to at the pod's most demanding moment; None where none has one."""

    def of(container: resources.ResourceContainer) -> Quantity:
        return quantity.parse(container.resources.limits.get(STORAGE, "0"))

    spec = pod.spec
    if not any(STORAGE in c.resources.limits for c in (*spec.containers, *spec.initContainers)):
        return None
    total, sidecars, during_init = ZERO, ZERO, ZERO
    for container in spec.containers:
        total += of(container)
    for container in spec.initContainers:
        if container.is_sidecar:
            sidecars += of(container)
            during_init = max(during_init, sidecars)
        else:
            during_init = max(during_init, sidecars + of(container))
    return max(total + sidecars, during_init) + quantity.parse(spec.overhead.get(STORAGE, "0"))


def is_limited(pod: Pod) -> bool:
    return bool(size_limits(pod)) or pod_limit(pod) is not None


class Excess(NamedTuple):
    """What a pod has exceeded, as metrics name it and as its status says it; "" for nothing."""

    signal: str = ""
    message: str = ""


def outgrown(pod: Pod, use: PodUse, *, dedicated: bool = False) -> Excess:
    """`dedicated`: writable layers lie on a disk of their own, which containers' limits do not count."""
    for name, limit in size_limits(pod).items():
        if name in use.volumes and use.volumes[name].bytes > limit.amount:
            return Excess("emptydirfs.limit", f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". ')
    whole = pod_limit(pod)
    if whole is not None and use.storage > whole.amount:
        said = f"Pod ephemeral local storage usage exceeds the total limit of containers {whole}. "
        return Excess("ephemeralpodfs.limit", said)
    for name, limit in container_limits(pod).items():
        if name not in use.containers:
            continue
        found = use.containers[name]
        if found.logs.bytes + (0 if dedicated else found.root.bytes) > limit.amount:
            said = f'Container {name} exceeded its local ephemeral storage limit "{limit}". '
            return Excess("ephemeralcontainerfs.limit", said)
    return Excess()
