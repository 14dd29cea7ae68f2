"""The RBAC policy every cluster starts with: upstream's default roles and bindings.

What our own components may do they declare themselves (`api/rights.py`, which explains the form of a rule's line); the
wiring hands it over. The tables beside this file hold what upstream's clusters have whoever runs in them.
"""

from __future__ import annotations

from collections.abc import Iterable

from longboat.api.rights import Rights, rules
from longboat.apiserver.authz import policy_components, policy_controllers
from longboat.machinery.objects import Object

GROUP = "rbac.authorization.k8s.io"
BOOTSTRAP_LABEL = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTOUPDATE = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"


def cluster_role(name: str, text: str, *, aggregate_to: tuple[str, ...] = (), aggregates: str = "") -> Object:
    labels = {**BOOTSTRAP_LABEL, **{f"{AGGREGATE}{role}": "true" for role in aggregate_to}}
    role: Object = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels, "annotations": AUTOUPDATE},
        "rules": rules(text),
    }
    if aggregates:
        role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {f"{AGGREGATE}{aggregates}": "true"}}]}
    return role


def subject(text: str) -> Object:
    """`group:NAME`, `user:NAME` or `sa:NAMESPACE/NAME`."""
    kind, _, name = text.partition(":")
    if kind == "sa":
        namespace, _, name = name.partition("/")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"kind": kind.capitalize(), "apiGroup": GROUP, "name": name}


def cluster_binding(role: str, *subjects: str, name: str = "") -> Object:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name or role, "labels": BOOTSTRAP_LABEL, "annotations": AUTOUPDATE},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [subject(s) for s in subjects],
    }


def role(namespace: str, name: str, text: str) -> Object:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": namespace, "labels": BOOTSTRAP_LABEL, "annotations": AUTOUPDATE},
        "rules": rules(text),
    }


def binding(namespace: str, name: str, *subjects: str) -> Object:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace, "labels": BOOTSTRAP_LABEL, "annotations": AUTOUPDATE},
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": name},
        "subjects": [subject(s) for s in subjects],
    }


def patching(role: Object) -> Object:
    """The role with patch wherever it has update: our components write by patch, which can do no more."""
    for each in role["rules"]:
        if "update" in each["verbs"] and "patch" not in each["verbs"]:
            each["verbs"] = sorted([*each["verbs"], "patch"])
    return role


def withdrawn(name: str) -> list[Object]:
    """The rules that the default role of this name had in former versions, and must not keep."""
    return rules(policy_components.WITHDRAWN.get(name, ""))


def bootstrap(declared: Iterable[Rights]) -> list[Object]:
    """Every role and binding, roles first. `declared`: those of components."""
    declared = [*policy_controllers.rights(), *declared]
    roles = [
        *(cluster_role(name, text) for name, text in policy_components.CLUSTER_ROLES.items()),
        *(
            cluster_role(name, text, aggregate_to=to, aggregates=by)
            for name, (text, to, by) in policy_components.USER_ROLES.items()
        ),
        *(patching(_role(each)) for each in declared),
        *(role(namespace, name, text) for (namespace, name), text in policy_components.ROLES.items()),
    ]
    bindings = [
        cluster_binding(
            "cluster-admin", f"group:{policy_components.ADMINISTRATORS}", name=policy_components.ADMINISTRATORS
        ),
        *(cluster_binding(name, *subjects) for name, subjects in policy_components.CLUSTER_BINDINGS.items()),
        *(_binding(each) for each in declared),
        *(binding(namespace, name, *subjects) for (namespace, name), subjects in policy_components.BINDINGS.items()),
    ]
    return roles + bindings


def _role(declared: Rights) -> Object:
    if declared.namespace:
        return role(declared.namespace, declared.role, declared.lines)
    return cluster_role(declared.role, declared.lines)


def _binding(declared: Rights) -> Object:
    if declared.namespace:
        return binding(declared.namespace, declared.role, declared.subject)
    return cluster_binding(declared.role, declared.subject)
