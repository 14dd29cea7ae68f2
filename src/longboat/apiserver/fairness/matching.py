"""Which FlowSchema catches a request, and which flow of it that belongs to (flowcontrol/v1, FlowSchemaSpec). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longboat.apiserver.request import RequestInfo
from longboat.machinery.objects import Object
from longboat.machinery.user import User

ALL = "*"
ACCOUNT = "system:serviceaccount:"


class Schema:
    """A FlowSchema, made ready to be asked."""

    __slots__ = ("_rules", "by", "level", "name", "rank", "uid")

    def __init__(self, obj: Object) -> None:
        spec, found = obj.get("spec") or {}, obj["metadata"]
        self.name: str = found["name"]
        self.uid: str = found.get("uid") or ""
        self.level: str = (spec.get("priorityLevelConfiguration") or {}).get("name") or ""
        self.by: str = (spec.get("distinguisherMethod") or {}).get("type") or ""
        self.rank = (spec.get("matchingPrecedence") or 0, self.name)  # the first that matches catches
        self._rules = [_Rule(rule) for rule in spec.get("rules") or ()]

    def catches(self, user: User, info: RequestInfo) -> bool:
        return any(rule.matches(user, info) for rule in self._rules)

    def flow(self, user: User, info: RequestInfo) -> str:
        """What tells this request's flow from others of the schema."""
        if self.by == "ByUser":
            return user.name
        return info.namespace if self.by == "ByNamespace" else ""


class _Rule:
    """A PolicyRulesWithSubjects."""

    __slots__ = ("_paths", "_resources", "_subjects")

    def __init__(self, rule: Object) -> None:
        self._subjects = [_subject(subject) for subject in rule.get("subjects") or ()]
        self._resources = list(rule.get("resourceRules") or ())
        self._paths = list(rule.get("nonResourceRules") or ())

    def matches(self, user: User, info: RequestInfo) -> bool:
        if not any(_is(kind, names, user) for kind, names in self._subjects):
            return False
        if info.is_resource:
            return any(_covers(rule, info) for rule in self._resources)
        return any(
            _among(rule.get("verbs"), info.verb) and _leads_to(rule.get("nonResourceURLs") or (), info.path)
            for rule in self._paths
        )


def _subject(subject: Object) -> tuple[str, tuple[str, ...]]:
    """Kind, and the names that tell whom it means: a ServiceAccount's namespace and name, another's name."""
    kind: str = subject.get("kind") or ""
    found: Any = subject.get(kind[:1].lower() + kind[1:]) or {}
    name = found.get("name") or ""
    return kind, (found.get("namespace") or "", name) if kind == "ServiceAccount" else (name,)


def _is(kind: str, names: tuple[str, ...], user: User) -> bool:
    match kind:
        case "User":
            return names[0] in (ALL, user.name)
        case "Group":
            return names[0] == ALL or names[0] in user.groups
        case "ServiceAccount":
            namespace, name = names
            home = f"{ACCOUNT}{namespace}:"
            return user.name.startswith(home) and name in (ALL, user.name[len(home) :])
    return False


def _covers(rule: Object, info: RequestInfo) -> bool:
    if not _among(rule.get("verbs"), info.verb) or not _among(rule.get("apiGroups"), info.group):
        return False
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if not _among(rule.get("resources"), resource):
        return False
    return _among(rule.get("namespaces"), info.namespace) if info.namespace else bool(rule.get("clusterScope"))


def _among(allowed: Sequence[str] | None, value: str) -> bool:
    return allowed is not None and (ALL in allowed or value in allowed)


def _leads_to(patterns: Sequence[str], path: str) -> bool:
    return any(
        pattern in (ALL, path) or (pattern.endswith(ALL) and path.startswith(pattern.rstrip(ALL)))
        for pattern in patterns
    )
