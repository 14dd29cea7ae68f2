"""What a component may do, as it says itself: lines of `verbs: resources`, from which RBAC roles are made. Pure.

A resource is `group/name`, core ones bare, subresources with a second slash (`apps/deployments/scale`, `pods/log`).
Several verbs or resources are separated by blanks; READ and WRITE stand for the usual verbs; `@ name name` behind the
resources limits a line to objects of these names; `urls` introduces paths that are no resources.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from longboat.machinery.objects import Object

GROUPS = {
    "extensions": "extensions",
    "custom.metrics": "custom.metrics.k8s.io", "external.metrics": "external.metrics.k8s.io",
    "apps": "apps", "batch": "batch", "autoscaling": "autoscaling", "policy": "policy",
    "networking": "networking.k8s.io", "rbac": "rbac.authorization.k8s.io", "discovery": "discovery.k8s.io",
    "coordination": "coordination.k8s.io", "storage": "storage.k8s.io", "scheduling": "scheduling.k8s.io",
    "certificates": "certificates.k8s.io", "authentication": "authentication.k8s.io",
    "authorization": "authorization.k8s.io", "events": "events.k8s.io", "node": "node.k8s.io",
    "resource": "resource.k8s.io", "apiextensions": "apiextensions.k8s.io",
    "apiregistration": "apiregistration.k8s.io", "flowcontrol": "flowcontrol.apiserver.k8s.io",
    "admissionregistration": "admissionregistration.k8s.io", "metrics": "metrics.k8s.io", "*": "*",
}  # fmt: skip
CORE = ""
READ, WRITE = "get list watch", "create delete deletecollection patch update"


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """One role and who has it. `namespace`: where it holds; "": everywhere (a ClusterRole).

    `subject` is `group:NAME`, `user:NAME` or `sa:NAMESPACE/NAME`.
    """

    role: str
    subject: str
    lines: str
    namespace: str = ""


def rules(lines: str) -> list[Object]:
    """The PolicyRules of RBAC that the lines stand for."""
    return [found for line in lines.strip().splitlines() if line.strip() for found in _rule(line.strip())]


def together(parts: Iterable[str]) -> str:
    """The lines of all parts, each once."""
    return "\n".join(dict.fromkeys(line.strip() for lines in parts for line in lines.splitlines() if line.strip()))


def _rule(line: str) -> list[Object]:
    """The rules of one line: one for all groups of which it names the same resources. Sorted, as upstream's are."""
    verbs, _, what = line.partition(":")
    listed = sorted(set(verbs.replace("READ", READ).replace("WRITE", WRITE).split()))
    if what.strip().startswith("urls "):
        return [{"verbs": listed, "nonResourceURLs": sorted(what.split()[1:])}]
    names = what.partition("@")[2].split()
    by_group: dict[str, list[str]] = {}
    for resource in what.partition("@")[0].split():
        head, slash, rest = resource.partition("/")
        if slash and head in GROUPS:
            by_group.setdefault(GROUPS[head], []).append(rest)
        else:
            by_group.setdefault(CORE, []).append(resource)
    alike: dict[tuple[str, ...], list[str]] = {}
    for group, resources in by_group.items():
        alike.setdefault(tuple(sorted(resources)), []).append(group)
    found = []
    for together, groups in alike.items():
        rule: Object = {"verbs": listed, "apiGroups": sorted(groups), "resources": list(together)}
        if names:
            rule["resourceNames"] = sorted(names)
        found.append(rule)
    return found
