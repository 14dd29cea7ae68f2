"""The RBAC policy every cluster starts with: upstream's default roles and bindings.

What our own components may do they declare themselves (`api/rights.py`, which explains the form of a rule's line); the
wiring hands it over. The tables beside this file hold what upstream's clusters have whoever runs in them.
"""

from __future__ import annotations

from collections.abc import Iterable

from longboat.api.rights import Rights, rules
from longboat.apiserver.authz import policy_components
from longboat.apiserver.authz.escalation import missing
from longboat.apiserver.authz.rbac import Rule
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
    """`name` is the role's, and the binding's but where upstream's are not called alike."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {
            "name": policy_components.BINDING_NAMES.get(name, name),
            "namespace": namespace,
            "labels": BOOTSTRAP_LABEL,
            "annotations": AUTOUPDATE,
        },
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": name},
        "subjects": [subject(s) for s in subjects],
    }


def withdrawn(name: str) -> list[Object]:
    """The rules that the default role of this name had in former versions, and must not keep."""
    return rules(policy_components.WITHDRAWN.get(name, ""))


def bootstrap(declared: Iterable[Rights]) -> list[Object]:
    """Every role and binding, roles first. `declared`: those of components.

    What several declare of one role is one role: what a later one says that the earlier do not is added.
    """
    by_role: dict[tuple[str, str], list[Rights]] = {}
    for each in declared:
        by_role.setdefault((each.namespace, each.role), []).append(each)
    roles = [
        *(cluster_role(name, text) for name, text in policy_components.CLUSTER_ROLES.items()),
        *(
            cluster_role(name, text, aggregate_to=to, aggregates=by)
            for name, (text, to, by) in policy_components.USER_ROLES.items()
        ),
        *(_role(each) for each in by_role.values()),
        *(role(namespace, name, text) for (namespace, name), text in policy_components.ROLES.items()),
    ]
    bindings = [
        cluster_binding(
            "cluster-admin", f"group:{policy_components.ADMINISTRATORS}", name=policy_components.ADMINISTRATORS
        ),
        *(cluster_binding(name, *subjects) for name, subjects in policy_components.CLUSTER_BINDINGS.items()),
        *(_binding(each[0]) for each in by_role.values()),
        *(binding(namespace, name, *subjects) for (namespace, name), subjects in policy_components.BINDINGS.items()),
    ]
    return roles + bindings


def _role(declared: list[Rights]) -> Object:
    first, *others = declared
    made = role(first.namespace, first.role, first.lines) if first.namespace else cluster_role(first.role, first.lines)
    for each in others:
        held = [Rule(rule) for rule in made["rules"]]
        made["rules"] = [*made["rules"], *missing(held, rules(each.lines))]
    return made


def _binding(declared: Rights) -> Object:
    if declared.namespace:
        return binding(declared.namespace, declared.role, declared.subject)
    return cluster_binding(declared.role, declared.subject)
