"""Who has been granted what, beyond what every cluster begins with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Object = dict[str, Any]
DEFAULTS = "kubernetes.io/bootstrapping"  # label of the roles and bindings that the server lays down


def granted(
    roles: Iterable[Object], bindings: Iterable[Object], group: str, resource: str, verbs: Iterable[str]
) -> Iterator[str]:
    """ "subject (binding)" of every binding made by somebody that grants one of the verbs on this."""
    by_key = {(r["metadata"].get("namespace", ""), r["metadata"]["name"]): r for r in roles}  # ClusterRoles have none
    wanted = set(verbs)
    for binding in bindings:
        if is_default(binding):
            continue
        ref, where = binding["roleRef"], binding["metadata"].get("namespace", "")
        role = by_key.get((where if ref["kind"] == "Role" else "", ref["name"]))
        if role and any(grants(rule, group, resource, wanted) for rule in role.get("rules") or ()):
            yield from (f"{subject} ({binding['metadata']['name']})" for subject in subjects(binding))


def grants(rule: Object, group: str, resource: str, verbs: set[str]) -> bool:
    """Whether a rule covers the resource (`pods`, `nodes/proxy`) with one of the verbs, in whole or for some names."""
    whole, _, part = resource.partition("/")
    named = {resource, "*", f"*/{part}" if part else "*"} | ({f"{whole}/*"} if part else set())
    return (
        bool({group, "*"} & set(rule.get("apiGroups") or ()))
        and bool(named & set(rule.get("resources") or ()))
        and bool((verbs | {"*"}) & set(rule.get("verbs") or ()))
    )


def is_default(found: Object) -> bool:
    labels = found["metadata"].get("labels") or {}
    return DEFAULTS in labels


def subjects(binding: Object) -> Iterator[str]:
    for subject in binding.get("subjects") or ():
        where = f"{subject['namespace']}/" if subject.get("namespace") else ""
        yield f"{subject['kind']} {where}{subject['name']}"


def wildcards(roles: Iterable[Object]) -> Iterator[str]:
    """Roles made by somebody that say `*`."""
    for role in roles:
        said = [value for rule in role.get("rules") or () for part in ("apiGroups", "resources", "verbs")
                for value in rule.get(part) or ()]  # fmt: skip
        if "*" in said and not is_default(role):
            where = role["metadata"].get("namespace")
            yield f"{where}/{role['metadata']['name']}" if where else role["metadata"]["name"]
