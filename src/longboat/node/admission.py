"""Whether a node takes a pod that was bound to it: whoever bound it may have known less than the node does. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from longboat.api import affinity
from longboat.api import resources as api
from longboat.api.host_ports import ANY_IP, HostPort, clashes
from longboat.node import allocation, safeguards, sysctls
from longboat.node.make import cgroups
from longboat.node.safeguards import Safeguards
from longboat.node.state import Waiting
from longboat.node.views.pod import Pod

PODS = "pods"
FIRST = (PODS, *allocation.COMPUTE, "ephemeral-storage")  # told of, where several are lacking
AFFINITY = "NodeAffinity"
PORTS = "NodePorts"


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
    beside = list(others)
    return refused or _no_room(pod, beside, allocatable) or _port_taken(pod, beside)


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


def _port_taken(pod: Pod, others: Iterable[Pod]) -> Waiting | None:
    """Both would run, and the later one take what is meant for the other."""
    wanted = _ports(pod)
    if wanted and any(clashes(one, taken) for other in others for taken in _ports(other) for one in wanted):
        why = "node(s) didn't have free ports for the requested pod ports"
        return Waiting(PORTS, f"Predicate {PORTS} failed: {why}")
    return None


def _ports(pod: Pod) -> list[HostPort]:
    return [
        (port.protocol or "TCP", port.hostIP or ANY_IP, port.hostPort)
        for container in (*pod.spec.containers, *(c for c in pod.spec.initContainers if c.is_sidecar))
        for port in container.ports
        if port.hostPort
    ]


def _asked(pod: Pod) -> api.Amounts:
    return {**cgroups.requests(pod), PODS: 1}
