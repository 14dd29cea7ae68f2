"""Authorization: may this user do this? RBAC over the roles and bindings in the watch caches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from longboat.apiserver.request import Filter, Handler, Request, RequestInfo, Response, User
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.registry.store import Store

MASTERS = "system:masters"
MAX_DECISIONS = 20_000  # remembered; all are forgotten whenever a role or binding changes

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody wants to do. Non-resource actions have a path only."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @classmethod
    def of(cls, info: RequestInfo) -> Action:
        if not info.is_resource:
            return cls(info.verb, path=info.path)
        return cls(info.verb, info.group, info.resource, info.subresource, info.namespace, info.name)


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
    """Some rules given to a subject, everywhere (namespace "") or in one namespace."""

    namespace: str
    rules: tuple[Rule, ...]
    source: str


class Authorizer:
    """Decides by the four RBAC kinds; an index by subject is made anew when one of them has changed."""

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self._stores = stores  # by plural
        self._versions: tuple[int, ...] = ()
        self._users: dict[str, list[Grant]] = {}
        self._groups: dict[str, list[Grant]] = {}
        self._decisions: dict[tuple[User | tuple[object, ...], Action], bool] = {}

    def allowed(self, user: User, action: Action) -> bool:
        if MASTERS in user.groups:
            return True
        self._refresh()
        key = ((user.name, user.groups), action)
        decision = self._decisions.get(key)
        if decision is None:
            if len(self._decisions) >= MAX_DECISIONS:
                self._decisions.clear()
            decision = any(rule.allows(action) for rule in self.rules(user, action.namespace))
            self._decisions[key] = decision
        return decision

    def rules(self, user: User, namespace: str = "") -> Iterator[Rule]:
        """Every rule that holds for the user there, cluster-wide ones included."""
        for grant in self._grants(user):
            if not grant.namespace or grant.namespace == namespace:
                yield from grant.rules

    def role_rules(self, kind: str, name: str, namespace: str) -> list[Rule] | None:
        """The rules of a role that a binding refers to; None if there is no such role."""
        store = self._stores["clusterroles" if kind == "ClusterRole" else "roles"]
        entry = store.find("" if kind == "ClusterRole" else namespace, name)
        return None if entry is None else [Rule(raw) for raw in _decode(entry.body).get("rules") or ()]

    def _grants(self, user: User) -> Iterator[Grant]:
        self._refresh()
        yield from self._users.get(user.name, ())
        for group in user.groups:
            yield from self._groups.get(group, ())

    def _refresh(self) -> None:
        versions = tuple(store.cache.version for store in self._stores.values())
        if versions == self._versions:
            return
        self._versions = versions
        self._decisions.clear()
        self._users, self._groups = {}, {}
        roles: dict[tuple[str, str], tuple[Rule, ...]] = {}
        for plural in ("clusterroles", "roles"):
            for entry in self._stores[plural].entries():
                obj = _decode(entry.body)
                where = obj["metadata"].get("namespace", "")
                roles[where, obj["metadata"]["name"]] = tuple(Rule(raw) for raw in obj.get("rules") or ())
        for plural in ("clusterrolebindings", "rolebindings"):
            for entry in self._stores[plural].entries():
                self._index(_decode(entry.body), roles)

    def _index(self, binding: Object, roles: Mapping[tuple[str, str], tuple[Rule, ...]]) -> None:
        namespace = binding["metadata"].get("namespace", "")
        ref = binding.get("roleRef") or {}
        rules = roles.get(("" if ref.get("kind") == "ClusterRole" else namespace, ref.get("name", "")))
        if not rules:
            return
        grant = Grant(namespace, rules, binding["metadata"]["name"])
        for subject in binding.get("subjects") or ():
            name = subject.get("name", "")
            if subject.get("kind") == "Group":
                self._groups.setdefault(name, []).append(grant)
            elif subject.get("kind") == "ServiceAccount":
                where = subject.get("namespace") or namespace
                self._users.setdefault(f"system:serviceaccount:{where}:{name}", []).append(grant)
            else:
                self._users.setdefault(name, []).append(grant)


def authorize(authorizer: Authorizer) -> Filter:
    """Lets through what is allowed; refuses the rest with 403 in upstream's words."""

    async def check(request: Request, inner: Handler) -> Response:
        assert request.user is not None
        if not authorizer.allowed(request.user, Action.of(request.info)):
            raise refused(request.user, request.info)
        return await inner(request)

    return check


def refused(user: User, info: RequestInfo) -> StatusError:
    """As upstream's responsewriters.Forbidden words it."""
    if not info.is_resource:
        message = f'User "{user.name}" cannot {info.verb} path "{info.path}"'
        return StatusError(403, "Forbidden", f"forbidden: {message}", {})
    what = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    message = f'User "{user.name}" cannot {info.verb} resource "{what}" in API group "{info.group}"'
    message += f' in the namespace "{info.namespace}"' if info.namespace else " at the cluster scope"
    qualified = f"{info.resource}.{info.group}" if info.group else info.resource
    subject = f'{qualified} "{info.name}"' if info.name else qualified
    details: Object = {"kind": info.resource}
    if info.name:
        details["name"] = info.name
    if info.group:
        details["group"] = info.group
    return StatusError(403, "Forbidden", f"{subject} is forbidden: {message}", details)
