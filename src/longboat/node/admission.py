"""Whether a node takes a pod that was bound to it: whoever bound it may have known less than the node does. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from longboat.api import affinity
from longboat.api import resources as api
from longboat.node import allocation, safeguards, sysctls
from longboat.node.make import cgroups
from longboat.node.safeguards import Safeguards
from longboat.node.state import Waiting
from longboat.node.views.pod import Pod

PODS = "pods"
FIRST = (PODS, *allocation.COMPUTE, "ephemeral-storage")  # told of, where several are lacking
AFFINITY = "NodeAffinity"


def refusal(
    pod: Pod,
    others: Iterable[Pod],
    allocatable: Mapping[str, str],
    can: Safeguards,
    unsafe_sysctls: Collection[str] = (),
) -> Waiting | None:
    """Why the pod is not run beside the others: reason and message of its status (kubelet, pkg/kubelet/lifecycle).

    A pod that has a start time was taken before, by an agent that has been replaced since: it keeps its place.
    """
    if pod.status.startTime is not None:
        return None
    refused = sysctls.refusal(pod, unsafe_sysctls) or safeguards.refusal(pod, can)
    return refused or _no_room(pod, others, allocatable)


def asks_for_labels(pod: Pod) -> bool:
    """Whether it depends on the node's labels (or its name) that the pod is taken. Who was taken before stays."""
    wanted = pod.spec.affinity.nodeAffinity
    required = wanted is not None and wanted.requiredDuringSchedulingIgnoredDuringExecution is not None
    return pod.status.startTime is None and (required or bool(pod.spec.nodeSelector))


def mismatch(pod: Pod, labels: Mapping[str, str], node: str) -> Waiting | None:
    """Why the pod is not run on a node so labelled and named, which is not one of those it wants."""
    if affinity.node_wanted(pod.spec.nodeSelector, pod.spec.affinity.nodeAffinity, labels, node):
        return None
    return Waiting(AFFINITY, f"Predicate {AFFINITY} failed: node(s) didn't match Pod's node affinity/selector")


def _no_room(pod: Pod, others: Iterable[Pod], allocatable: Mapping[str, str]) -> Waiting | None:
    """Resources that the node does not know of itself are not its to count."""
    used: api.Amounts = {}
    for other in others:
        api.add(used, _asked(other))
    counted = sorted(allocatable, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    if (short := allocation.shortage(_asked(pod), used, api.amounts(allocatable), counted)) is None:
        return None
    return Waiting(f"OutOf{short.resource}", str(short))


def _asked(pod: Pod) -> api.Amounts:
    return {**cgroups.requests(pod), PODS: 1}
