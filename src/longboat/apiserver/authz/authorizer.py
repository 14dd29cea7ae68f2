"""Authorization: may this user do this? RBAC over the roles and bindings in the watch caches, and whoever is asked
before or after it. Those who answer at once are asked as one asks a function; who does not is asked by `judge`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec

from longboat.aio.cache import BoundedCache
from longboat.apiserver.authz.requirements import Requirement, read
from longboat.apiserver.request import Filter, Handler, Request, RequestInfo, Response
from longboat.machinery.errors import StatusError, forbidden
from longboat.machinery.fieldpath import quoted
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.user import User
from longboat.registry.store import Store
from longboat.storage.entry import Entry

MASTERS = "system:masters"
GROUP = "rbac.authorization.k8s.io"
# And bytes; forgotten whenever a role or binding changes. What is asked again and again is far less: whoever asks for
# something else each time would fill it, and it stays full.
_SELECTING = ("list", "watch", "deletecollection")
MAX_DECISIONS, MAX_REMEMBERED = 8_192, 6 << 20

_decode = msgspec.json.Decoder().decode


class Action(NamedTuple):
    """What somebody wants to do. Non-resource actions have a path only."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    fields: tuple[tuple[str, str], ...] = ()  # required of what is listed; RBAC ignores it
    version: str = ""  # what follows is for webhooks alone
    by_field: tuple[Requirement, ...] = ()
    by_label: tuple[Requirement, ...] = ()

    @classmethod
    def of(cls, info: RequestInfo) -> Action:
        if not info.is_resource:
            return cls(info.verb, path=info.path)
        return cls(
            info.verb, info.group, info.resource, info.subresource, info.namespace, info.name, fields=info.fields
        )  # fmt: skip


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


class Decision(NamedTuple):
    """`reason` is what upstream says of it, "" for nothing. `denied`: whoever else would allow it. `error`: what kept
    somebody from having an opinion."""

    allowed: bool
    reason: str
    denied: bool = False
    error: str = ""


Question: TypeAlias = tuple[str, tuple[str, ...], Action]
"""User, groups, action."""


def _size(question: Question, decision: Decision) -> int:
    user, groups, action = question
    asked = len(action.verb) + len(action.group) + len(action.resource) + len(action.subresource)
    where = len(action.namespace) + len(action.name) + len(action.path)
    fields = sum(len(name) + len(value) for name, value in action.fields)
    mine = len(user) + sum(map(len, groups)) + 64 * len(groups)
    return 512 + 4 * (mine + asked + where + fields + len(decision.reason))  # a character takes four bytes at most


class Voter(Protocol):
    """Answers at once. One that does not allow has no opinion, and may say why."""

    def decide(self, user: User, action: Action) -> Decision: ...


class Asked(Protocol):
    """Somebody else, whose answer takes a while."""

    async def ask(self, user: User, action: Action) -> Decision: ...


Answers: TypeAlias = dict[tuple[int, str, Action], Decision]
"""What those have said who were asked about one request: by who, whom and what."""


class Unasked(Exception):
    """It takes somebody's answer, who has not been asked. Once `ask` is over it is among the answers."""

    def __init__(self, link: Asked, user: User, action: Action) -> None:
        super().__init__("somebody has to be asked")
        self._link, self._user, self._action = link, user, action

    async def ask(self, answers: Answers) -> None:
        answers[id(self._link), self._user.name, self._action] = await self._link.ask(self._user, self._action)


T = TypeVar("T")


async def asking(attempt: Callable[[Answers], Awaitable[T]]) -> T:
    """Try until everybody has been asked whose answers it takes. An attempt that ends by Unasked changes nothing."""
    answers: Answers = {}
    while True:
        try:
            return await attempt(answers)
        except Unasked as unasked:
            await unasked.ask(answers)


class AlwaysAllow:
    def decide(self, user: User, action: Action) -> Decision:
        return Decision(True, "")


class AlwaysDeny:
    def decide(self, user: User, action: Action) -> Decision:
        return Decision(False, "Everything is forbidden.")


class Authorizer:
    """Decides by the four RBAC kinds; an index by subject is made anew when one of them has changed.

    `links`: who is asked, in order; RBAC after all others until somebody says otherwise. `incomplete`: why `rules` are
    not all that there are.
    """

    def __init__(self, stores: Mapping[str, Store], *first: Voter) -> None:
        self._stores = stores  # by plural
        self.node: tuple[Voter, ...] = first
        self.rbac: Voter = _ByRules(self._by_rbac)
        self.links: Sequence[Voter | Asked] = (*first, self.rbac)
        self._caches = [store.cache for store in stores.values()]
        self._versions: list[int] = []
        self._users: dict[str, list[Grant]] = {}
        self._groups: dict[str, list[Grant]] = {}
        self._decisions: BoundedCache[Question, Decision] = BoundedCache(MAX_DECISIONS, MAX_REMEMBERED, _size)

    @property
    def incomplete(self) -> str:
        if all(hasattr(link, "decide") for link in self.links):
            return ""
        return "webhook authorizer does not support user rule resolution"

    async def allowed(self, user: User, action: Action) -> bool:
        return (await self.judge(user, action)).allowed

    async def judge(self, user: User, action: Action) -> Decision:
        """Whoever has to be asked."""

        async def attempt(answers: Answers) -> Decision:
            return self.decide(user, action, answers)

        try:
            return self.decide(user, action)
        except Unasked:
            return await asking(attempt)

    def decide(self, user: User, action: Action, answers: Answers | None = None) -> Decision:
        """Raises Unasked."""
        if MASTERS in user.groups:
            return Decision(True, "")
        reasons, errors = list[str](), list[str]()
        for link in self.links:
            decision = _answer(link, user, action, answers)
            if decision.allowed or decision.denied:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
            if decision.error:
                errors.append(decision.error)
        error = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]" if errors else ""
        return Decision(False, "\n".join(reasons), error=error)

    def _by_rbac(self, user: User, action: Action) -> Decision:
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


class _ByRules:
    def __init__(self, decide: Callable[[User, Action], Decision]) -> None:
        self.decide = decide


def _answer(link: Voter | Asked, user: User, action: Action, answers: Answers | None) -> Decision:
    """Raises Unasked."""
    at_once: Callable[[User, Action], Decision] | None = getattr(link, "decide", None)
    if at_once is not None:
        return at_once(user, action)
    asked: Asked = link  # type: ignore[assignment]
    found = None if answers is None else answers.get((id(asked), user.name, action))
    if found is None:
        raise Unasked(asked, user, action)
    return found


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


async def ensure_verb(authorizer: Authorizer, request: Request, verb: str) -> None:
    """For requests that do more than the verb of their method says. Raises StatusError 403, as upstream words it."""
    info, user = request.info, request.user or User("system:anonymous")
    if info.verb == verb:
        return
    decision = await authorizer.judge(user, Action.of(info)._replace(verb=verb, version=info.version))
    if not decision.allowed:
        kind = Kind(info.group, info.version, info.resource, info.resource)
        raise forbidden(kind, info.name, decision.reason)


def ensure_create(authorizer: Authorizer | None, request: Request, answers: Answers) -> None:
    """For a PUT or an applied configuration of what is not there yet. Raises StatusError 403, as `authorize` does, and
    Unasked."""
    user, info = request.user, request.info._replace(verb="create")
    if authorizer is None or user is None or MASTERS in user.groups:
        return
    decision = authorizer.decide(user, Action.of(info)._replace(version=info.version), answers)
    if not decision.allowed:
        raise refused(user, info, decision.reason)


_MASTERED = True, ""


def authorize(authorizer: Authorizer) -> Filter:
    """Lets through what is allowed; refuses the rest with 403 in upstream's words, or 500 where who should have known
    could not be asked."""

    async def check(request: Request, inner: Handler) -> Response:
        user = request.user
        assert user is not None
        if MASTERS in user.groups:  # as `decide` has it, without saying what for
            request.decision = _MASTERED
            return await inner(request)
        action = Action.of(request.info)
        try:
            decision = authorizer.decide(user, action)
        except Unasked:
            decision = await authorizer.judge(user, _whole(action, request))
        request.decision = decision[:2]
        if not decision.allowed:
            if decision.error:
                return _failed(request, decision.error)
            raise refused(user, request.info, decision.reason)
        return await inner(request)

    return check


def _whole(action: Action, request: Request) -> Action:
    """With what only webhooks are told."""
    found = action._replace(version=request.info.version)
    if request.info.is_resource and request.info.verb in _SELECTING:
        found = found._replace(
            by_field=read(request.arg("fieldSelector"), labels=False),
            by_label=read(request.arg("labelSelector"), labels=True),
        )
    return found


def _failed(request: Request, error: str) -> Response:
    """As upstream's responsewriters.InternalError words it."""
    uri = f"{request.path}?{request.raw_query}" if request.raw_query else request.path
    message = f"Internal Server Error: {quoted(uri)}: {error}"
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        message = message.replace(sign, written)
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(500, f"{message}\n".encode(), "text/plain; charset=utf-8", headers)


def refused(user: User, info: RequestInfo, reason: str = "") -> StatusError:
    """As upstream's responsewriters.Forbidden words it."""
    because = f": {reason}" if reason else ""
    if not info.is_resource:
        message = f'User "{user.name}" cannot {info.verb} path "{info.path}"'
        return StatusError(403, "Forbidden", f"forbidden: {message}{because}", {})
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
    return StatusError(403, "Forbidden", f"{subject} is forbidden: {message}{because}", details)
