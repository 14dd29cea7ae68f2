"""On which nodes a DaemonSet has a pod, and what that pod is. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.api import taints
from longboat.api.affinity import node_wanted
from longboat.api.taints import NO_EXECUTE, NO_SCHEDULE, Toleration
from longboat.controllers import ownership
from longboat.controllers.daemonset.views import DaemonSet, Node, Placement
from longboat.controllers.history import REVISION_LABEL

# What every daemon pod tolerates: it belongs to its node whatever the node's state (DaemonSet documentation).
ALWAYS = (
    Toleration(key=taints.NOT_READY, operator="Exists", effect=NO_EXECUTE),
    Toleration(key=taints.UNREACHABLE, operator="Exists", effect=NO_EXECUTE),
    Toleration(key="node.kubernetes.io/disk-pressure", operator="Exists", effect=NO_SCHEDULE),
    Toleration(key="node.kubernetes.io/memory-pressure", operator="Exists", effect=NO_SCHEDULE),
    Toleration(key="node.kubernetes.io/pid-pressure", operator="Exists", effect=NO_SCHEDULE),
    Toleration(key="node.kubernetes.io/unschedulable", operator="Exists", effect=NO_SCHEDULE),
)
NO_NETWORK = Toleration(key="node.kubernetes.io/network-unavailable", operator="Exists", effect=NO_SCHEDULE)


def placement(owner: DaemonSet) -> Placement:
    return msgspec.json.decode(owner.spec.template.spec, type=Placement)


def belongs(wanted: Placement, node: Node) -> tuple[bool, bool]:
    """Whether a pod should be started on the node, and whether one that runs there may stay."""
    name = node.metadata.name
    if wanted.nodeName and wanted.nodeName != name:
        return False, False
    affinity = wanted.affinity.nodeAffinity if wanted.affinity else None
    if not node_wanted(wanted.nodeSelector, affinity, node.metadata.labels, name):
        return False, False
    tolerated = (*wanted.tolerations, *tolerations(wanted))
    stays = next(taints.untolerated(node.spec.taints, tolerated, frozenset((NO_EXECUTE,))), None) is None
    both = frozenset((NO_EXECUTE, NO_SCHEDULE))
    starts = next(taints.untolerated(node.spec.taints, tolerated, both), None) is None
    return starts, stays


def tolerations(wanted: Placement) -> tuple[Toleration, ...]:
    return (*ALWAYS, NO_NETWORK) if wanted.hostNetwork else ALWAYS


def pod(owner: DaemonSet, node: str, template: dict[str, Any], revision: str) -> dict[str, Any]:
    """The pod to create for a node."""
    meta, spec = template.get("metadata") or {}, dict(template["spec"])
    affinity = dict(spec.get("affinity") or {})
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    affinity["nodeAffinity"] = {
        **(affinity.get("nodeAffinity") or {}), "requiredDuringSchedulingIgnoredDuringExecution": required,
    }  # fmt: skip
    spec["affinity"] = affinity
    given = list(spec.get("tolerations") or ())
    added = [_shown(each) for each in tolerations(placement(owner))]
    spec["tolerations"] = [*given, *(each for each in added if each not in given)]
    labels = {**(meta.get("labels") or {}), REVISION_LABEL: revision}
    if generation := owner.metadata.annotations.get("deprecated.daemonset.template.generation"):
        labels["pod-template-generation"] = generation
    made: dict[str, Any] = {
        "generateName": f"{owner.metadata.name}-",
        "labels": labels,
        "ownerReferences": [ownership.owner_reference(owner)],
    }
    if meta.get("annotations"):
        made["annotations"] = meta["annotations"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": spec}


def _shown(toleration: Toleration) -> dict[str, str]:
    return {"key": toleration.key, "operator": toleration.operator, "effect": toleration.effect}
