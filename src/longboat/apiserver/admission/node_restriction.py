"""NodeRestriction: a node writes only about itself and the pods bound to it (KEP-279; security lesson 13)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import deepcopy

from longboat.api import kinds
from longboat.api.pod_references import references
from longboat.apiserver.admission.chain import Lookup, Plugin
from longboat.apiserver.admission.node_requests import Audiences, certificate_refused
from longboat.apiserver.authz.authorizer import Answers, Authorizer, Unasked, asking
from longboat.apiserver.authz.node import LEASES, node_of
from longboat.machinery.errors import forbidden, not_found
from longboat.machinery.objects import Object, dig
from longboat.registry.admission import Attributes, Target

MIRROR = "kubernetes.io/config.mirror"
RESTRICTED = "node-restriction.kubernetes.io"
# Labels under kubernetes.io and k8s.io that a node may set on itself (API reference, well-known labels).
OWN_LABELS = frozenset(
    (
        "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch",
        "beta.kubernetes.io/os", "beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
    )
)  # fmt: skip
OWN_LABEL_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
OF_CLAIMS = {  # of a pod's status: what is written by who hands out claims, and how upstream calls it
    "resourceClaimStatuses": "resource claim statues",
    "extendedResourceClaimStatus": "extended resource claim status",
}
STATUS_OF_CLAIMS = ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses")

Check = Callable[[str, Attributes], str | None]
"""node, write → why the node may not do it."""


class NodeRestriction(Plugin):
    """Judges what the Node authorizer could not: it has not seen the object.

    It changes nothing. But upstream has it among those that change: its answer comes before that of validation.
    """

    def __init__(self, lookup: Lookup, authorizer: Authorizer) -> None:
        self._lookup = lookup
        self._audiences = Audiences(lookup, authorizer)
        self._checks: dict[tuple[str, str], Check] = {
            ("pods", ""): self._pod,
            ("pods", "status"): self._pod_status,
            ("pods", "eviction"): self._eviction,
            ("persistentvolumeclaims", "status"): self._claim_status,
            ("nodes", ""): self._node,
            ("nodes", "status"): self._node,
            ("leases", ""): self._lease,
            ("csinodes", ""): self._csi_node,
            ("resourceslices", ""): self._slice,
            ("certificatesigningrequests", ""): self._certificate,
        }

    def handles(self, target: Target) -> bool:
        return target.operation != "CONNECT"  # the authorizer lets no node connect to anything

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        async def again(answers: Answers) -> None:
            self._judge(attributes, answers)

        try:
            self._judge(attributes, {})
        except Unasked:
            return asking(again)
        return None

    def _judge(self, attributes: Attributes, answers: Answers) -> None:
        """Raises StatusError, Unasked."""
        user, resource = attributes.user, attributes.kind.plural
        if user is None or (node := node_of(user)) is None:
            return
        if not node:
            why: str | None = f'could not determine node from user "{user.name}"'
        elif check := self._checks.get((resource, attributes.subresource)):
            why = check(node, attributes)
        elif (resource, attributes.subresource) == ("serviceaccounts", "token"):
            why = self._token(node, attributes, answers)
        elif resource == "pods":
            why = f"unexpected pod subresource \"{attributes.subresource}\", only 'status' and 'eviction' are allowed"
        elif resource == "persistentvolumeclaims":
            why = "may only update PVC status"
        else:
            return
        if why is not None:
            raise forbidden(attributes.kind, attributes.name, why)

    def _pod(self, node: str, attributes: Attributes) -> str | None:
        if attributes.operation == "CREATE":
            assert attributes.obj is not None
            return self._mirror_pod(node, attributes.obj)
        if attributes.operation != "DELETE":
            return (
                f'unexpected operation "{attributes.operation}", node "{node}" can only create and delete mirror pods'
            )
        if self._bound_to(node, attributes):
            return None
        return f'node "{node}" can only delete pods with spec.nodeName set to itself'

    def _mirror_pod(self, node: str, pod: Object) -> str | None:
        """A mirror pod shows a pod of the node's own: it refers to nothing in the API."""
        spec, found = pod.get("spec") or {}, pod["metadata"]
        if MIRROR not in (found.get("annotations") or {}):
            return f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
        if spec.get("nodeName") != node:
            return f'node "{node}" can only create pods with spec.nodeName set to itself'
        if why := self._owner(node, found.get("ownerReferences") or []):
            return why
        named = {ref.resource for ref in references(pod)}
        for resource, words in (
            ("serviceaccounts", "a service account"), ("secrets", "secrets"), ("configmaps", "configmaps"),
            ("clustertrustbundles", "clustertrustbundles"), ("persistentvolumeclaims", "persistentvolumeclaims"),
            ("resourceclaims", "resourceclaims"),
        ):  # fmt: skip
            if resource in named or (resource == "resourceclaims" and spec.get("resourceClaims")):
                return f'node "{node}" can not create pods that reference {words}'
        return None

    def _owner(self, node: str, owners: list[Object]) -> str | None:
        if len(owners) > 1:
            return f'node "{node}" can only create pods with a single owner reference set to itself'
        if not owners or (owners[0].get("apiVersion"), owners[0].get("kind"), owners[0].get("name")) != (
            "v1", "Node", node,
        ):  # fmt: skip
            return f'node "{node}" can only create pods with an owner reference set to itself'
        if not owners[0].get("controller"):
            return f'node "{node}" can only create pods with a controller owner reference set to itself'
        if owners[0].get("blockOwnerDeletion"):
            return f'node "{node}" must not set blockOwnerDeletion on an owner reference'
        found = self._lookup(kinds.NODE, "", node)
        if found is None:
            raise not_found(kinds.NODE, node)
        uid, given = found["metadata"]["uid"], owners[0].get("uid", "")
        return None if uid == given else f"node {node} UID mismatch: expected {given} got {uid}"

    def _pod_status(self, node: str, attributes: Attributes) -> str | None:
        new, old = attributes.obj or {}, attributes.old or {}
        if dig(old, "spec", "nodeName") != node:
            return f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
        if (dig(old, "metadata", "labels") or {}) != (dig(new, "metadata", "labels") or {}):
            return f'node "{node}" cannot update labels through pod status'
        for field, words in OF_CLAIMS.items():
            if (dig(old, "status", field) or None) != (dig(new, "status", field) or None):
                return f'node "{node}" cannot update {words}'
        return None

    def _eviction(self, node: str, attributes: Attributes) -> str | None:
        if attributes.operation != "CREATE":
            return f"unexpected operation {attributes.operation}"
        if not _name(attributes):
            return "could not determine pod from request data"
        if self._bound_to(node, attributes):
            return None
        return f"node {node} can only evict pods with spec.nodeName set to itself"

    def _bound_to(self, node: str, attributes: Attributes) -> bool:
        pod = attributes.old or self._lookup(kinds.POD, attributes.namespace, _name(attributes))
        if pod is None:
            raise not_found(kinds.POD, _name(attributes))
        return bool(dig(pod, "spec", "nodeName") == node)

    def _claim_status(self, node: str, attributes: Attributes) -> str | None:
        rest = []
        for claim in (attributes.old or {}, attributes.obj or {}):
            kept = deepcopy(claim)
            for name in ("resourceVersion", "managedFields"):
                kept.get("metadata", {}).pop(name, None)
            for name in STATUS_OF_CLAIMS:
                (kept.get("status") or {}).pop(name, None)
            rest.append({key: value for key, value in kept.items() if value})
        if rest[0] == rest[1]:
            return None
        return f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions'

    def _node(self, node: str, attributes: Attributes) -> str | None:
        new, old = attributes.obj or {}, attributes.old or {}
        name = attributes.name or dig(new, "metadata", "name", default="")
        if name != node:
            return f'node "{node}" is not allowed to modify node "{name}"'
        if attributes.operation == "DELETE":
            return None
        source = dig(new, "spec", "configSource")
        if attributes.operation == "CREATE" and source:
            return f'node "{node}" is not allowed to create pods with a non-nil configSource'
        if source and source != dig(old, "spec", "configSource"):
            return f'node "{node}" is not allowed to update configSource to a new non-nil configSource'
        if attributes.operation == "UPDATE" and (dig(new, "spec", "taints") or []) != (
            dig(old, "spec", "taints") or []
        ):
            return f'node "{node}" is not allowed to modify taints'
        # It would end with an object that is not there, and come back without its taints (CVE-2025-5187).
        if (dig(new, "metadata", "ownerReferences") or []) != (dig(old, "metadata", "ownerReferences") or []):
            return f'node "{node}" is not allowed to modify ownerReferences'
        labels = [dig(each, "metadata", "labels") or {} for each in (new, old)]
        changed = {key for key in labels[0].keys() | labels[1].keys() if labels[0].get(key) != labels[1].get(key)}
        refused = ", ".join(sorted(filter(_is_restricted, changed)))
        if refused and attributes.operation == "CREATE":
            return f'node "{node}" is not allowed to set the following labels: {refused}'
        return f"is not allowed to modify labels: {refused}" if refused else None

    def _token(self, node: str, attributes: Attributes, answers: Answers) -> str | None:
        ref = dig(attributes.obj or {}, "spec", "boundObjectRef") or {}
        if ref.get("apiVersion") != "v1" or ref.get("kind") != "Pod" or not ref.get("name"):
            return "node requested token not bound to a pod"
        if not ref.get("uid"):
            return "node requested token with a pod binding without a uid"
        pod = self._lookup(kinds.POD, attributes.namespace, ref["name"])
        if pod is None:
            raise not_found(kinds.POD, ref["name"])
        if pod["metadata"]["uid"] != ref["uid"]:
            why = f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record"
            return f"{why}. The object might have been deleted and then recreated"
        if dig(pod, "spec", "nodeName") != node:
            return "node requested token bound to a pod scheduled on a different node"
        audiences = dig(attributes.obj or {}, "spec", "audiences") or []
        assert attributes.user is not None
        return self._audiences.refused(attributes.user, attributes.name, pod, audiences, answers)

    def _certificate(self, node: str, attributes: Attributes) -> str | None:
        return certificate_refused(node, attributes.obj or {}) if attributes.operation == "CREATE" else None

    def _lease(self, node: str, attributes: Attributes) -> str | None:
        if attributes.namespace != LEASES:
            return f'can only access leases in the "{LEASES}" system namespace'
        if _name(attributes) == node:
            return None
        return "can only access node lease with the same name as the requesting node"

    def _csi_node(self, node: str, attributes: Attributes) -> str | None:
        if _name(attributes) == node:
            return None
        return "can only access CSINode with the same name as the requesting node"

    def _slice(self, node: str, attributes: Attributes) -> str | None:
        for found in (attributes.obj, attributes.old):
            if found is not None and dig(found, "spec", "nodeName") != node:
                verb = "create" if attributes.operation == "CREATE" else attributes.operation.lower()
                return f"can only {verb} ResourceSlice with the same NodeName as the requesting node"
        return None


def _name(attributes: Attributes) -> str:
    given: str = attributes.name or dig(attributes.obj or {}, "metadata", "name", default="")
    return given


def _is_restricted(label: str) -> bool:
    domain, slash, _ = label.partition("/")
    if not slash:
        return False
    if domain == RESTRICTED or domain.endswith(f".{RESTRICTED}"):
        return True
    if not any(domain == d or domain.endswith(f".{d}") for d in ("kubernetes.io", "k8s.io")):
        return False
    if label in OWN_LABELS:
        return False
    return not any(domain == own or domain.endswith(f".{own}") for own in OWN_LABEL_DOMAINS)
