"""The RBAC policy every cluster starts with: upstream's default roles and bindings.

Rules are written as `verbs: resources` lines; a resource is `group/name`, core ones bare, subresources with a second
slash (`apps/deployments/scale`, `pods/log`). Several verbs or resources are separated by blanks.
"""

from __future__ import annotations

from longboat.apiserver.authz import policy_components, policy_controllers
from longboat.machinery.objects import Object

GROUP = "rbac.authorization.k8s.io"
BOOTSTRAP_LABEL = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTOUPDATE = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"

CORE = ""
GROUPS = {
    "apps": "apps", "batch": "batch", "autoscaling": "autoscaling", "policy": "policy",
    "networking": "networking.k8s.io", "rbac": GROUP, "discovery": "discovery.k8s.io",
    "coordination": "coordination.k8s.io", "storage": "storage.k8s.io", "scheduling": "scheduling.k8s.io",
    "certificates": "certificates.k8s.io", "authentication": "authentication.k8s.io",
    "authorization": "authorization.k8s.io", "events": "events.k8s.io", "node": "node.k8s.io",
    "resource": "resource.k8s.io", "apiextensions": "apiextensions.k8s.io",
    "apiregistration": "apiregistration.k8s.io", "flowcontrol": "flowcontrol.apiserver.k8s.io",
    "admissionregistration": "admissionregistration.k8s.io", "metrics": "metrics.k8s.io", "*": "*",
}  # fmt: skip

READ, WRITE = "get list watch", "create delete deletecollection patch update"


def rule(line: str) -> list[Object]:
    """The PolicyRules of one line, one per API group. `urls:` introduces non-resource URLs."""
    verbs, _, what = line.partition(":")
    verbs = verbs.strip().replace("READ", READ).replace("WRITE", WRITE)
    if what.strip().startswith("urls "):
        return [{"verbs": verbs.split(), "nonResourceURLs": what.split()[1:]}]
    names = what.partition("@")[2].split()  # "resources @ name name" limits to these names
    by_group: dict[str, list[str]] = {}
    for resource in what.partition("@")[0].split():
        head, slash, rest = resource.partition("/")
        if slash and head in GROUPS:
            by_group.setdefault(GROUPS[head], []).append(rest)
        else:
            by_group.setdefault(CORE, []).append(resource)
    rules = []
    for group, resources in by_group.items():
        found: Object = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources}
        if names:
            found["resourceNames"] = names
        rules.append(found)
    return rules


def rules(text: str) -> list[Object]:
    return [found for line in text.strip().splitlines() if line.strip() for found in rule(line.strip())]


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


def bootstrap() -> list[Object]:
    """Every role and binding, roles first."""
    roles = [
        *(cluster_role(name, text) for name, text in policy_components.CLUSTER_ROLES.items()),
        *(
            cluster_role(name, text, aggregate_to=to, aggregates=by)
            for name, (text, to, by) in policy_components.USER_ROLES.items()
        ),
        *(
            patching(cluster_role(f"system:controller:{name}", text + policy_controllers.EVENTS))
            for name, text in policy_controllers.CONTROLLERS.items()
        ),
        *(role(namespace, name, text) for (namespace, name), text in policy_components.ROLES.items()),
    ]
    bindings = [
        cluster_binding(
            "cluster-admin", f"group:{policy_components.ADMINISTRATORS}", name=policy_components.ADMINISTRATORS
        ),
        *(cluster_binding(name, *subjects) for name, subjects in policy_components.CLUSTER_BINDINGS.items()),
        *(
            cluster_binding(f"system:controller:{name}", f"sa:kube-system/{name}")
            for name in policy_controllers.CONTROLLERS
        ),
        *(binding(namespace, name, *subjects) for (namespace, name), subjects in policy_components.BINDINGS.items()),
    ]
    return roles + bindings
