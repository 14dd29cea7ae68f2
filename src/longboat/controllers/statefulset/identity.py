"""Who a pod of a StatefulSet is: its name, its place in the order, and the volumes that go with them. Pure."""

from __future__ import annotations

import re
from typing import Any

from longboat.api.view import View
from longboat.controllers import ownership
from longboat.controllers.history import REVISION_LABEL
from longboat.controllers.statefulset.views import StatefulSet

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)")


def ordinal_of(owner: View, pod: View) -> int | None:
    """The pod's place; None for a name that is not one of this set's."""
    match = _NAME.fullmatch(pod.metadata.name)
    return int(match[2]) if match and match[1] == owner.metadata.name else None


def pod_name(owner: View, ordinal: int) -> str:
    return f"{owner.metadata.name}-{ordinal}"


def claim_name(template: dict[str, Any], owner: View, ordinal: int) -> str:
    return f"{template['metadata']['name']}-{pod_name(owner, ordinal)}"


def pod(owner: StatefulSet, ordinal: int, template: dict[str, Any], revision: str) -> dict[str, Any]:
    """The pod to create."""
    name, meta = pod_name(owner, ordinal), template.get("metadata") or {}
    spec = dict(template["spec"])
    spec["hostname"] = name
    spec["subdomain"] = owner.spec.serviceName
    claims = {t["metadata"]["name"]: claim_name(t, owner, ordinal) for t in owner.spec.volumeClaimTemplates}
    others = [volume for volume in spec.get("volumes") or () if volume["name"] not in claims]
    mine = [{"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in claims.items()]
    if mine or others:
        spec["volumes"] = [*others, *mine]
    labels = {**(meta.get("labels") or {}), POD_NAME: name, POD_INDEX: str(ordinal), REVISION_LABEL: revision}
    made: dict[str, Any] = {"name": name, "labels": labels, "ownerReferences": [ownership.owner_reference(owner)]}
    if meta.get("annotations"):
        made["annotations"] = meta["annotations"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": spec}


def claim(owner: StatefulSet, ordinal: int, template: dict[str, Any]) -> dict[str, Any]:
    """The claim to create for one of the templates."""
    meta = dict(template["metadata"])
    selected = (owner.spec.selector or {}).get("matchLabels") or {}
    made = {
        "name": claim_name(template, owner, ordinal),
        "labels": {**(meta.get("labels") or {}), **selected},
        "annotations": meta.get("annotations") or {},
    }
    if owner.spec.persistentVolumeClaimRetentionPolicy.whenDeleted == "Delete":
        made["ownerReferences"] = [reference(owner)]
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": made, "spec": template["spec"]}


def reference(owner: View) -> dict[str, Any]:
    """What makes a claim go with its set, or its pod."""
    kind, meta = owner.KIND, owner.metadata
    return {"apiVersion": kind.api_version, "kind": kind.name, "name": meta.name, "uid": meta.uid}
