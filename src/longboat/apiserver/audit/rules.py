"""What a policy file says of a request: at which level it is recorded, and in which stages. Pure.

Of rules the first that matches decides (audit.k8s.io/v1, Policy); what none matches is not recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from longboat.apiserver.request import Judged, Request

NONE, METADATA, REQUEST, REQUEST_RESPONSE = LEVELS = "None", "Metadata", "Request", "RequestResponse"
RECEIVED, STARTED, COMPLETE, PANIC = STAGES = "RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"

Names = frozenset[str]
EMPTY: Names = frozenset()


@dataclass(frozen=True, slots=True)
class Resources:
    """GroupResources of a rule: `resources` without any means all of the group's; so do `names` of a resource's."""

    group: str
    resources: Names = EMPTY
    names: Names = EMPTY

    def covers(self, group: str, resource: str, subresource: str, name: str) -> bool:
        if group != self.group:
            return False
        if not self.resources:
            return True
        if self.names and name not in self.names:
            return False
        spellings = ["*", f"{resource}/{subresource}" if subresource else resource, f"{resource}/*"]
        if subresource:
            spellings.append(f"*/{subresource}")
        return not self.resources.isdisjoint(spellings)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is empty says nothing. Either resources (and their namespaces) are named, or paths."""

    judged: Judged
    users: Names = EMPTY
    groups: Names = EMPTY
    verbs: Names = EMPTY
    namespaces: Names = EMPTY
    resources: tuple[Resources, ...] = ()
    paths: tuple[str, ...] = ()

    def matches(self, request: Request) -> bool:
        user, info = request.requester or request.user, request.info
        if self.users and (user is None or user.name not in self.users):
            return False
        if self.groups and (user is None or self.groups.isdisjoint(user.groups)):
            return False
        if self.verbs and info.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            if not info.is_resource or (self.namespaces and info.namespace not in self.namespaces):
                return False
            asked = info.group, info.resource, info.subresource, info.name
            return not self.resources or any(each.covers(*asked) for each in self.resources)
        if self.paths:
            return not info.is_resource and any(_leads_to(each, request.path) for each in self.paths)
        return True


def _leads_to(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


@dataclass(frozen=True, slots=True)
class Policy:
    rules: tuple[Rule, ...]
    otherwise: Judged = field(default_factory=lambda: Judged(NONE))

    def judge(self, request: Request) -> Judged:
        for rule in self.rules:
            if rule.matches(request):
                return rule.judged
        return self.otherwise


def policy(found: Mapping[str, Any]) -> Policy:
    """Of a Policy that has been checked."""
    omitted, managed = _names(found.get("omitStages")), bool(found.get("omitManagedFields"))
    return Policy(tuple(_rule(each, omitted, managed) for each in found.get("rules") or ()))


def _rule(found: Mapping[str, Any], omitted: Names, managed: bool) -> Rule:
    said = found.get("omitManagedFields")  # a rule's word stands against the policy's
    judged = Judged(found["level"], omitted | _names(found.get("omitStages")), managed if said is None else said)
    resources = tuple(
        Resources(each.get("group") or "", _names(each.get("resources")), _names(each.get("resourceNames")))
        for each in found.get("resources") or ()
    )
    return Rule(
        judged,
        _names(found.get("users")),
        _names(found.get("userGroups")),
        _names(found.get("verbs")),
        _names(found.get("namespaces")),
        resources,
        tuple(found.get("nonResourceURLs") or ()),
    )


def _names(listed: Iterable[str] | None) -> Names:
    return frozenset(listed or ())
