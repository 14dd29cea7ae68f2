"""The Node authorizer: a node may read what its own pods refer to, and write about itself (KEP-279, KEP-4601).

What depends on the new object, and so cannot be judged here, is left to the NodeRestriction admission plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from longboat.api import kinds
from longboat.api.pod_references import Reference, references, volume_secrets
from longboat.apiserver.authz.action import Action, Decision
from longboat.apiserver.authz.rbac import Rule
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, dig
from longboat.machinery.user import User
from longboat.registry.store import Store
from longboat.storage.entry import Entry

PREFIX, NODES = "system:node:", "system:nodes"
LEASES = "kube-node-lease"
ALLOW, NO_OPINION = Decision(True, ""), Decision(False, "")

_decode = msgspec.json.Decoder().decode


def node_of(user: User) -> str | None:
    """The node that the user is; "" for one that does not say which; None for anybody else."""
    if NODES not in user.groups or not user.name.startswith(PREFIX):
        return None
    return user.name.removeprefix(PREFIX)


class NodeAuthorizer:
    """Has an opinion on nodes only. `rules` are those that hold for every node alike."""

    def __init__(self, stores: Mapping[Kind, Store], rules: list[Object]) -> None:
        self._graph = Graph(stores)
        self._rules = tuple(Rule(rule) for rule in rules)
        related = self._graph.related
        self._special: dict[tuple[str, str], Callable[[str, Action], Decision]] = {
            ("", "secrets"): lambda node, action: _read_one(node, action, related),
            ("", "configmaps"): lambda node, action: _read_one(node, action, related),
            ("", "persistentvolumeclaims"): lambda node, action: _claim(node, action, related),
            ("", "persistentvolumes"): lambda node, action: _get(node, action, related),
            ("resource.k8s.io", "resourceclaims"): lambda node, action: _get(node, action, related),
            ("storage.k8s.io", "volumeattachments"): lambda node, action: _get(node, action, related),
            ("", "serviceaccounts"): lambda node, action: _token(node, action, related),
            ("coordination.k8s.io", "leases"): _lease,
            ("storage.k8s.io", "csinodes"): _csi_node,
            ("resource.k8s.io", "resourceslices"): lambda node, action: _slice(node, action, related),
            ("", "nodes"): _node,
            ("", "pods"): lambda node, action: _pod(node, action, related),
        }

    def decide(self, user: User, action: Action) -> Decision:
        node = node_of(user)
        if node is None:
            return NO_OPINION
        if not node:
            return Decision(False, f'unknown node for user "{user.name}"')
        judge = None if action.path else self._special.get((action.group, action.resource))
        if judge is not None:
            return judge(node, action)
        return ALLOW if any(rule.allows(action) for rule in self._rules) else NO_OPINION


Related = Callable[[str, Action], bool]


class Graph:
    """What leads from a node, through its pods, to other objects. Walked when asked; nothing is kept but an index."""

    def __init__(self, stores: Mapping[Kind, Store]) -> None:
        self._stores = stores

    def related(self, node: str, action: Action) -> bool:
        namespace, name = action.namespace, action.name
        match action.resource:
            case "pods":
                return any(_head(entry) == (namespace, name) for entry in self._pods(node))
            case "persistentvolumes":
                return any(volume == name for volume, _ in self._volumes(node))
            case "volumeattachments":
                found = self._object(kinds.VOLUME_ATTACHMENT, "", name)
                return found is not None and dig(found, "spec", "nodeName") == node
            case "resourceslices":
                found = self._object(kinds.RESOURCE_SLICE, "", name)
                return found is not None and dig(found, "spec", "nodeName") == node
        wanted = Reference(action.resource, name)
        if any(_head(entry)[0] == namespace and wanted in _references(entry) for entry in self._pods(node)):
            return True
        return action.resource == "secrets" and self._volume_needs(node, namespace, name)

    def _volume_needs(self, node: str, namespace: str, secret: str) -> bool:
        for volume, claimed_in in self._volumes(node):
            found = self._object(kinds.PERSISTENT_VOLUME, "", volume)
            if found and any(
                (where or claimed_in, name) == (namespace, secret) for where, name in volume_secrets(found)
            ):
                return True
        return False

    def _volumes(self, node: str) -> Iterator[tuple[str, str]]:
        """The volumes bound to claims of the node's pods, each with the claim's namespace."""
        for entry in self._pods(node):
            namespace, _ = _head(entry)
            for ref in _references(entry):
                if ref.resource == "persistentvolumeclaims":
                    claim = self._object(kinds.PERSISTENT_VOLUME_CLAIM, namespace, ref.name)
                    if claim and (volume := dig(claim, "spec", "volumeName", default="")):
                        yield volume, namespace

    def _pods(self, node: str) -> Iterator[Entry]:
        yield from self._stores[kinds.POD].cache.having("spec.nodeName", node)

    def _object(self, kind: Kind, namespace: str, name: str) -> Object | None:
        entry = self._stores[kind].find(namespace, name)
        return None if entry is None else _decode(entry.body)


def _head(entry: Entry) -> tuple[str, str]:
    return entry.fields["metadata.namespace"], entry.fields["metadata.name"]


def _references(entry: Entry) -> frozenset[Reference]:
    found: frozenset[Reference] | None = entry.encodings.get("references")
    if found is None:
        found = entry.encodings["references"] = references(_decode(entry.body))
    return found


def _related(node: str, action: Action, related: Related) -> Decision:
    if not action.name:
        return Decision(False, "No Object name found")
    if not related(node, action):
        return Decision(False, f"no relationship found between node '{node}' and this object")
    return ALLOW


def _get(node: str, action: Action, related: Related) -> Decision:
    if action.verb != "get":
        return Decision(False, "can only get individual resources of this type")
    if action.subresource:
        return Decision(False, "cannot get subresource")
    return _related(node, action, related)


def _read_one(node: str, action: Action, related: Related) -> Decision:
    if action.verb not in ("get", "list", "watch"):
        return Decision(False, "can only read resources of this type")
    if action.subresource:
        return Decision(False, "cannot read subresource")
    if not action.namespace:
        return Decision(False, "can only read namespaced object of this type")
    return _related(node, action, related)


def _claim(node: str, action: Action, related: Related) -> Decision:
    if action.subresource != "status":
        return _get(node, action, related)
    if action.verb not in ("update", "patch"):
        return Decision(False, "can only get/update/patch this type")
    return _related(node, action, related)


def _token(node: str, action: Action, related: Related) -> Decision:
    if action.verb != "create" or not action.name:
        return Decision(False, "can only create tokens for individual service accounts")
    if action.subresource != "token":
        return Decision(False, "can only create token subresource of serviceaccount")
    return _related(node, action, related)


def _lease(node: str, action: Action) -> Decision:
    if action.verb not in _OWN:
        return Decision(False, "can only get, create, update, patch, or delete a node lease")
    if action.namespace != LEASES:
        return Decision(False, f'can only access leases in the "{LEASES}" system namespace')
    if action.verb != "create" and action.name != node:
        return Decision(False, "can only access node lease with the same name as the requesting node")
    return ALLOW


def _csi_node(node: str, action: Action) -> Decision:
    if action.verb not in _OWN:
        return Decision(False, "can only get, create, update, patch, or delete a CSINode")
    if action.subresource:
        return Decision(False, "cannot authorize CSINode subresources")
    if action.verb != "create" and action.name != node:
        return Decision(False, "can only access CSINode with the same name as the requesting node")
    return ALLOW


def _slice(node: str, action: Action, related: Related) -> Decision:
    if action.subresource:
        return Decision(False, "cannot authorize ResourceSlice subresources")
    if action.verb == "create":
        return ALLOW
    if action.verb in _OWN:
        return _related(node, action, related)
    if action.verb not in ("watch", "list", "deletecollection"):
        verbs = "get, watch, list, create, update, patch, delete, deletecollection"
        return Decision(False, f"only the following verbs are allowed for a ResourceSlice: {verbs}")
    if ("spec.nodeName", node) in action.fields:
        return ALLOW
    return Decision(False, "can only list/watch/deletecollection resourceslices with nodeName field selector")


def _node(node: str, action: Action) -> Decision:
    match action.subresource, action.verb:
        case ("", "create" | "update" | "patch") | ("status", "update" | "patch"):
            return ALLOW
        case ("", "get" | "list" | "watch"):
            if action.name == node:
                return ALLOW
            others = f"'{action.name}'" if action.name else "all nodes"
            return Decision(False, f"node '{node}' cannot read {others}, only its own Node object")
    return NO_OPINION


def _pod(node: str, action: Action, related: Related) -> Decision:
    match action.subresource, action.verb:
        case ("", "get"):
            return _related(node, action, related)
        case ("", "list" | "watch"):
            if ("spec.nodeName", node) in action.fields:
                return ALLOW
            if action.name:
                return _related(node, action, related)
            return Decision(False, "can only list/watch pods with spec.nodeName field selector")
        case ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create"):
            return ALLOW
    return NO_OPINION


_OWN = frozenset(("get", "create", "update", "patch", "delete"))
