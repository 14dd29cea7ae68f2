"""Whether a node takes a pod that was bound to it: whoever bound it may have known less than the node does. Pure.

The kubelet's general predicates (pkg/kubelet/lifecycle), in its order and words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from longboat.api import affinity, taints
from longboat.api import resources as api
from longboat.api.host_ports import ANY_IP, HostPort, clashes
from longboat.api.taints import Taint
from longboat.node import allocation, safeguards, sysctls
from longboat.node.allocation import Shortage
from longboat.node.make import cgroups
from longboat.node.safeguards import Safeguards
from longboat.node.state import Waiting
from longboat.node.views.objects import Node
from longboat.node.views.pod import Pod

PODS = "pods"
FIRST = (PODS, *allocation.COMPUTE, "ephemeral-storage")  # told of, where several are lacking
AFFINITY, PORTS, TAINTS = "NodeAffinity", "NodePorts", "TaintToleration"
EVICTING = frozenset((taints.NO_EXECUTE,))
OS_LABEL, OS = "kubernetes.io/os", "linux"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is to the pods that come to it. `labels` are None where they are not to be judged (yet)."""

    name: str = ""
    allocatable: Mapping[str, str] = {}
    labels: Mapping[str, str] | None = None
    taints: Sequence[Taint] = ()


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Why a pod is not taken: what nothing helps against, what there is too little of, and what else is wrong."""

    never: Waiting | None = None
    short: tuple[Shortage, ...] = ()
    others: tuple[Waiting, ...] = ()

    @property
    def first(self) -> Waiting | None:
        """What the pod is told."""
        short = [Waiting(f"OutOf{shortage.resource}", str(shortage)) for shortage in self.short]
        return next(iter([self.never] if self.never else [*short, *self.others]), None)

    @property
    def hinges_on_node(self) -> bool:
        """Whether the pod might be taken if the Node in the API were another than is known."""
        if self.never is not None or any(not api.is_extended(shortage.resource) for shortage in self.short):
            return False
        return bool(self.short) or any(why.reason in (AFFINITY, TAINTS) for why in self.others)


def offer(name: str, allocatable: Mapping[str, str], node: Node | None, *, labels: bool) -> Offer:
    """Of the machine's own resources, and of what the API says of the node: there anybody may add resources to it
    ("extended" ones), which the kubelet counts though it knows nothing of them."""
    if node is None:
        return Offer(name=name, allocatable=allocatable)
    return Offer(
        name=name,
        allocatable={**extended(node), **allocatable},
        labels=node.metadata.labels if labels else None,
        taints=node.spec.taints,
    )


def extended(node: Node) -> dict[str, str]:
    """Resources that others have added to the node's capacity: all of them may be given away."""
    return {name: text for name, text in node.status.capacity.items() if api.is_extended(name)}


def judge(
    pod: Pod, others: Iterable[Pod], offer: Offer, can: Safeguards, unsafe_sysctls: Collection[str] = ()
) -> Judgement:
    """A pod that has a start time was taken before, by an agent that has been replaced since: it keeps its place."""
    if pod.status.startTime is not None:
        return Judgement()
    never = sysctls.refusal(pod, unsafe_sysctls) or _other_system(pod) or safeguards.refusal(pod, can)
    if never is not None:
        return Judgement(never=never)
    beside = list(others)
    found = (_elsewhere(pod, offer), _port_taken(pod, beside), _repelled(pod, offer))
    return Judgement(
        short=tuple(_shortages(pod, beside, offer.allocatable)), others=tuple(why for why in found if why is not None)
    )


def asks_for_labels(pod: Pod) -> bool:
    """Whether it depends on the node's labels (or its name) that the pod is taken. Who was taken before stays."""
    wanted = pod.spec.affinity.nodeAffinity
    required = wanted is not None and wanted.requiredDuringSchedulingIgnoredDuringExecution is not None
    return pod.status.startTime is None and (required or bool(pod.spec.nodeSelector))


def asked(pod: Pod) -> api.Amounts:
    """What a pod takes of its node, its place among the pods included."""
    return {**cgroups.requests(pod), PODS: 1}


def _other_system(pod: Pod) -> Waiting | None:
    """A label of the pod itself, which upstream reads as what it is made for."""
    if pod.metadata.labels.get(OS_LABEL, OS) == OS:
        return None
    why = f"Failed to admit pod as the `{OS_LABEL}` label doesn't match node label"
    return Waiting("PodOSSelectorNodeLabelDoesNotMatch", why)


def _shortages(pod: Pod, others: Iterable[Pod], allocatable: Mapping[str, str]) -> list[Shortage]:
    """Resources that the node does not have at all are not its to count."""
    used: api.Amounts = {}
    for other in others:
        api.add(used, asked(other))
    counted = sorted(allocatable, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    return list(allocation.shortages(asked(pod), used, api.amounts(allocatable), counted))


def _elsewhere(pod: Pod, offer: Offer) -> Waiting | None:
    if offer.labels is None or affinity.node_wanted(
        pod.spec.nodeSelector, pod.spec.affinity.nodeAffinity, offer.labels, offer.name
    ):
        return None
    return _failed(AFFINITY, "node(s) didn't match Pod's node affinity/selector")


def _port_taken(pod: Pod, others: Iterable[Pod]) -> Waiting | None:
    """Both would run, and the later one take what is meant for the other."""
    wanted = _ports(pod)
    if wanted and any(clashes(one, taken) for other in others for taken in _ports(other) for one in wanted):
        return _failed(PORTS, "node(s) didn't have free ports for the requested pod ports")
    return None


def _repelled(pod: Pod, offer: Offer) -> Waiting | None:
    """Only by what would make it leave again: whoever binds a pod by hand may pass over all else."""
    if next(taints.untolerated(offer.taints, pod.spec.tolerations, EVICTING), None) is None:
        return None
    return _failed(TAINTS, "node(s) had taints that the pod didn't tolerate")


def _failed(predicate: str, why: str) -> Waiting:
    return Waiting(predicate, f"Predicate {predicate} failed: {why}")


def _ports(pod: Pod) -> list[HostPort]:
    return [
        (port.protocol or "TCP", port.hostIP or ANY_IP, port.hostPort)
        for container in (*pod.spec.containers, *(c for c in pod.spec.initContainers if c.is_sidecar))
        for port in container.ports
        if port.hostPort
    ]
