"""RBAC over the roles and bindings in the watch caches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from longboat.aio.cache import BoundedCache
from longboat.apiserver.authz.action import Action, Decision
from longboat.machinery.objects import Object
from longboat.machinery.user import User
from longboat.registry.store import Store
from longboat.storage.entry import Entry

GROUP = "rbac.authorization.k8s.io"
# And bytes; forgotten whenever a role or binding changes. What is asked again and again is far less: whoever asks for
# something else each time would fill it, and it stays full.
MAX_DECISIONS, MAX_REMEMBERED = 8_192, 6 << 20

_decode = msgspec.json.Decoder().decode


class Rule:
    """A PolicyRule, made ready to be asked."""

    __slots__ = ("groups", "names", "raw", "resources", "urls", "verbs")

    def __init__(self, raw: Object) -> None:
        self.raw = raw
        self.verbs = frozenset(raw.get("verbs") or ())
        self.groups = frozenset(raw.get("apiGroups") or ())
        self.resources = frozenset(raw.get("resources") or ())
        self.names = frozenset(raw.get("resourceNames") or ())
        self.urls = tuple(raw.get("nonResourceURLs") or ())

    def allows(self, action: Action) -> bool:
        if action.verb not in self.verbs and "*" not in self.verbs:
            return False
        if action.path:
            return any(covers_url(url, action.path) for url in self.urls)
        if action.group not in self.groups and "*" not in self.groups:
            return False
        if self.names and action.name not in self.names:
            return False
        if "*" in self.resources:
            return True
        if not action.subresource:
            return action.resource in self.resources
        return (
            f"{action.resource}/{action.subresource}" in self.resources or f"*/{action.subresource}" in self.resources
        )


def covers_url(rule: str, path: str) -> bool:
    return rule == "*" or rule == path or (rule.endswith("*") and path.startswith(rule[:-1]))


@dataclass(frozen=True, slots=True)
class Grant:
    """Some rules given to a subject, everywhere (namespace "") or in one namespace.

    `why` says through what; where the role is missing there are no rules and `why` says that.
    """

    namespace: str
    rules: tuple[Rule, ...]
    why: str


Question: TypeAlias = tuple[str, tuple[str, ...], Action]
"""User, groups, action."""


def _size(question: Question, decision: Decision) -> int:
    user, groups, action = question
    asked = len(action.verb) + len(action.group) + len(action.resource) + len(action.subresource)
    where = len(action.namespace) + len(action.name) + len(action.path)
    fields = sum(len(name) + len(value) for name, value in action.fields)
    mine = len(user) + sum(map(len, groups)) + 64 * len(groups)
    return 512 + 4 * (mine + asked + where + fields + len(decision.reason))  # a character takes four bytes at most


class Rbac:
    """Decides by the four RBAC kinds; an index by subject is made anew when one of them has changed."""

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self._stores = stores  # by plural
        self._caches = [store.cache for store in stores.values()]
        self._versions: list[int] = []
        self._users: dict[str, list[Grant]] = {}
        self._groups: dict[str, list[Grant]] = {}
        self._decisions: BoundedCache[Question, Decision] = BoundedCache(MAX_DECISIONS, MAX_REMEMBERED, _size)

    def decide(self, user: User, action: Action) -> Decision:
        self._refresh()
        if action.version or action.by_field or action.by_label:
            action = action._replace(version="", by_field=(), by_label=())
        key = (user.name, user.groups, action)
        decision = self._decisions.get(key)
        if decision is None:
            decision = self._judge(user, action)
            self._decisions.put(key, decision)
        return decision

    def rules(self, user: User, namespace: str = "") -> Iterator[Rule]:
        """Every rule that holds for the user there, cluster-wide ones included."""
        for grant in self._grants(user, namespace):
            yield from grant.rules

    def role_rules(self, kind: str, name: str, namespace: str) -> list[Rule] | None:
        """The rules of a role that a binding refers to; None if there is no such role."""
        store = self._stores["clusterroles" if kind == "ClusterRole" else "roles"]
        entry = store.find("" if kind == "ClusterRole" else namespace, name)
        return None if entry is None else list(_rules(entry))

    def _judge(self, user: User, action: Action) -> Decision:
        problems = []
        for grant in self._grants(user, action.namespace):
            if any(rule.allows(action) for rule in grant.rules):
                return Decision(True, f"RBAC: allowed by {grant.why}")
            if not grant.rules and grant.why not in problems:
                problems.append(grant.why)
        told = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        return Decision(False, f"RBAC: {told}" if problems else "")

    def _grants(self, user: User, namespace: str) -> Iterator[Grant]:
        self._refresh()
        for grants in (self._users.get(user.name, ()), *(self._groups.get(group, ()) for group in user.groups)):
            for grant in grants:
                if not grant.namespace or grant.namespace == namespace:
                    yield grant

    def _refresh(self) -> None:
        versions = [cache.version for cache in self._caches]
        if versions == self._versions:
            return
        self._versions = versions
        self._decisions.clear()
        self._users, self._groups = {}, {}
        for plural in ("clusterrolebindings", "rolebindings"):
            for entry in self._stores[plural].entries():
                self._index(_parsed(entry))

    def _index(self, binding: Object) -> None:
        namespace = binding["metadata"].get("namespace", "")
        ref = binding.get("roleRef") or {}
        kind, name = ref.get("kind", ""), ref.get("name", "")
        rules = self.role_rules(kind, name, namespace)
        if rules == []:
            return  # there, and grants nothing
        for subject in binding.get("subjects") or ():
            why = _through(binding, subject) if rules else f'{kind.lower()}.{GROUP} "{name}" not found'
            grant = Grant(namespace, tuple(rules or ()), why)
            who = subject.get("name", "")
            if subject.get("kind") == "Group":
                self._groups.setdefault(who, []).append(grant)
            elif subject.get("kind") == "ServiceAccount":
                where = subject.get("namespace") or namespace
                self._users.setdefault(f"system:serviceaccount:{where}:{who}", []).append(grant)
            else:
                self._users.setdefault(who, []).append(grant)


def _parsed(entry: Entry) -> Object:
    """The object, decoded once: an index made anew costs little where few objects have changed."""
    found: Object | None = entry.encodings.get("rbac")
    if found is None:
        found = entry.encodings["rbac"] = _decode(entry.body)
    return found


def _rules(entry: Entry) -> tuple[Rule, ...]:
    found: tuple[Rule, ...] | None = entry.encodings.get("rules")
    if found is None:
        found = entry.encodings["rules"] = tuple(Rule(raw) for raw in _decode(entry.body).get("rules") or ())
    return found


def _through(binding: Object, subject: Object) -> str:
    """How upstream tells of a binding that allowed something."""
    found, ref = binding["metadata"], binding["roleRef"]
    namespace = found.get("namespace", "")
    name = f"{found['name']}/{namespace}" if namespace else found["name"]
    who = subject.get("name", "")
    if subject.get("kind") == "ServiceAccount":
        who += f"/{subject.get('namespace') or namespace}"
    return f'{binding["kind"]} "{name}" of {ref["kind"]} "{ref["name"]}" to {subject["kind"]} "{who}"'
