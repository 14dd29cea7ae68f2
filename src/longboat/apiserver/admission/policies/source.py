"""The policies that are configured, with their bindings, and which of them a request may concern.

What rules say of a sort of request (kind, operation, subresource) is worked out at the first of it and kept until a
policy, a binding or what is served changes: policies of other resources cost a request nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from longboat.apiserver.admission import matching
from longboat.apiserver.admission.matching import Equivalents
from longboat.apiserver.admission.policies.params import Misconfigured, Params
from longboat.apiserver.admission.versions import Versions
from longboat.machinery import selectors
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.selectors import LabelSelector
from longboat.registry.admission import Attributes, Target
from longboat.registry.store import Store
from longboat.storage.entry import Entry

if TYPE_CHECKING:
    from longboat.apiserver.admission.policies.compiled import Compiled

FEW = 1500  # characters of expressions that are compiled at once: some 5 ms
MOST = 4096  # sorts of requests that are remembered
REMEMBERED = 64  # by each policy and binding, of what rules say of them


class Match:
    """MatchResources of a policy or of a binding."""

    def __init__(self, found: Object) -> None:
        self._rules: list[Object] = found.get("resourceRules") or []
        self._excluded: list[Object] = found.get("excludeResourceRules") or []
        self._exactly = found.get("matchPolicy") == "Exact"
        self.namespaces = _selector(found.get("namespaceSelector"))
        self.objects = _selector(found.get("objectSelector"))
        self._by_name = any(rule.get("resourceNames") for rule in (*self._rules, *self._excluded))
        self._plurals = _plurals(self._rules)
        self._known: dict[Target, Kind | bool | None] = {}
        self._served = -1

    def version(self, attributes: Attributes, others: Equivalents) -> Kind | None:
        """In which version of its resource the request is meant; None where it is not."""
        how: Any = {"exactly": self._exactly, "others": others}
        if matching.matched(self._excluded, attributes, **how) is not None:
            return None
        if not self._rules:
            return attributes.kind
        return matching.matched(self._rules, attributes, **how)

    def always(self, attributes: Attributes, target: Target, versions: Versions) -> Kind | bool | None:
        """The same for all requests of this sort; True where it hangs on the object's name."""
        if self._plurals is not None and target.kind.plural not in self._plurals:
            return None
        if self._served != versions.version or len(self._known) >= REMEMBERED:
            self._known, self._served = {}, versions.version
        if target not in self._known:
            self._known[target] = self._always(attributes, versions.others)
        return self._known[target]

    def _always(self, attributes: Attributes, others: Equivalents) -> Kind | bool | None:
        if not self._by_name:
            return self.version(attributes, others)
        anyhow = Match({
            "matchPolicy": "Exact" if self._exactly else "Equivalent",
            "resourceRules": [rule | {"resourceNames": []} for rule in self._rules],
        })  # fmt: skip
        return anyhow.version(attributes, others) is not None or None


def _plurals(rules: Sequence[Object]) -> frozenset[str] | None:
    """What rules name, whichever versions; None for anything."""
    named = {pattern.partition("/")[0] for rule in rules for pattern in rule.get("resources") or ()}
    return None if not rules or "*" in named else frozenset(named)


def _selector(found: Object | None) -> LabelSelector:
    return selectors.from_api(found or {})


@dataclass(slots=True)
class Policy:
    """`store`: of its parameters; `broken`: why it cannot be used at all."""

    name: str
    spec: Object
    match: Match
    store: Store | None = None
    broken: str = ""
    compiled: Compiled | None = None

    @property
    def fails_open(self) -> bool:
        return bool(self.spec.get("failurePolicy") == "Ignore")

    async def ready(self, attributes: Attributes) -> Compiled:
        """Its expressions. Many are compiled beside the loop."""
        from longboat.apiserver.admission.policies.compiled import compile_policy, size

        if self.compiled is None:
            if size(self.spec) > FEW:
                self.compiled = await attributes.seat.beside(compile_policy, self.spec)
            else:
                self.compiled = compile_policy(self.spec)
                await asyncio.sleep(0)  # after a start, the first request comes to many
        return self.compiled


@dataclass(frozen=True)
class Binding:
    name: str
    spec: Object

    @cached_property
    def match(self) -> Match | None:
        found = self.spec.get("matchResources")
        return None if found is None else Match(found)

    @property
    def actions(self) -> list[str]:
        found: list[str] = self.spec.get("validationActions") or []
        return found


@dataclass(frozen=True, slots=True)
class Concern:
    """A policy, by one of its bindings, that requests of a sort may concern. Without a binding it cannot be used.

    `version`: in which version of the resource; None where that hangs on the object's name. `covers`: the binding's
    rules cover all requests of the sort.
    """

    policy: Policy
    version: Kind | None
    binding: Binding | None
    covers: bool

    @property
    def label(self) -> tuple[str, str] | None:
        """One that the request's namespace has to have."""
        binding = None if self.binding is None else self.binding.match
        for match in filter(None, (binding, self.policy.match)):
            if match.namespaces.pairs:
                return match.namespaces.pairs[0]
        return None


class Sort:
    """What may concern requests of one sort, by what it asks of their namespace: most policies are for a few."""

    def __init__(self, concerns: Sequence[Concern]) -> None:
        self.all = concerns
        self._anywhere: list[tuple[int, Concern]] = []
        self._by_label: dict[tuple[str, str], list[tuple[int, Concern]]] = {}
        for at, concern in enumerate(concerns):
            label = concern.label
            (self._anywhere if label is None else self._by_label.setdefault(label, [])).append((at, concern))

    def within(self, labels: Mapping[str, str]) -> Sequence[Concern]:
        """Those that a namespace with these labels may have to do with, in order."""
        if not self._by_label:
            return self.all
        found = list(self._anywhere)
        for label in labels.items():
            found += self._by_label.get(label, ())
        found.sort(key=lambda each: each[0])
        return [concern for _, concern in found]


_NOTHING = Sort(())


@dataclass(slots=True)
class _Read:
    """What the caches held at a time."""

    policies: list[tuple[Policy, list[Binding]]] = field(default_factory=list)
    sorts: dict[Target, Sort] = field(default_factory=dict)


class Policies:
    """Of one kind, validating or mutating. A change is in force with the next request."""

    def __init__(self, policies: Store, bindings: Store, versions: Versions, params: Params) -> None:
        self._policies, self._bindings, self._versions, self._params = policies, bindings, versions, params
        self._known_policies: dict[str, tuple[int, Any, Policy]] = {}  # by key: revision, generation
        self._known_bindings: dict[str, tuple[int, str, Binding]] = {}  # by key: revision, name of its policy
        self._read = _Read()
        self._as_of: tuple[int, int, int] = (-1, -1, -1)

    @property
    def none(self) -> bool:
        """Without a binding nothing is in force: what nearly every write asks."""
        cache = self._bindings.cache
        return not len(cache) and not cache.unopened

    def concerning(self, attributes: Attributes) -> Sort:
        """Those that may concern the request, by name. Raises Unreadable: one that cannot be read may guard."""
        as_of = (self._policies.cache.version, self._bindings.cache.version, self._versions.version)
        if as_of != self._as_of:
            self._read, self._as_of = self._all(), as_of
        sorts, target = self._read.sorts, attributes.target
        found = sorts.get(target)
        if found is None:
            if len(sorts) == MOST:
                sorts.clear()
            concerns = list(self._sorted_out(attributes, target))
            found = sorts[target] = Sort(concerns) if concerns else _NOTHING
        return found

    def _all(self) -> _Read:
        """What has not changed is not read again."""
        read, bound = _Read(), dict[str, list[Binding]]()
        before, self._known_bindings = self._known_bindings, {}
        for entry in self._bindings.entries():
            known = before.get(entry.key)
            if known is None or known[0] != entry.revision:
                known = entry.revision, *_binding(msgspec.json.decode(entry.body))
            self._known_bindings[entry.key] = known
            bound.setdefault(known[1], []).append(known[2])
        policies, self._known_policies = self._known_policies, {}
        for entry in self._policies.entries():
            if (name := entry.fields["metadata.name"]) not in bound:
                continue
            policy = self._policy(entry, policies.get(entry.key))
            self._find_params(policy)
            read.policies.append((policy, bound[name]))
        return read

    def _policy(self, entry: Entry, known: tuple[int, Any, Policy] | None) -> Policy:
        """A write of the status, or of the metadata, makes no other policy of it."""
        if known is None or known[0] != entry.revision:
            found = msgspec.json.decode(entry.body)
            mark = found["metadata"].get("uid"), found["metadata"].get("generation")
            policy = known[2] if known is not None and known[1] == mark else _policy(found)
            known = entry.revision, mark, policy
        self._known_policies[entry.key] = known
        return known[2]

    def _find_params(self, policy: Policy) -> None:
        kind = policy.spec.get("paramKind")
        try:
            policy.store, policy.broken = None if kind is None else self._params.store(kind), ""
        except Misconfigured as error:
            policy.store, policy.broken = None, f"failed to configure policy: {error}"

    def _sorted_out(self, attributes: Attributes, target: Target) -> Iterable[Concern]:
        versions = self._versions
        for policy, bindings in self._read.policies:
            always = policy.match.always(attributes, target, versions)
            if always is None:
                continue
            version = always if isinstance(always, Kind) else None
            if policy.broken:
                yield Concern(policy, version, None, covers=True)
                continue
            for binding in bindings:
                covers = True if binding.match is None else binding.match.always(attributes, target, versions)
                if covers is not None:
                    yield Concern(policy, version, binding, binding.match is None or covers is not True)


def _policy(found: Object) -> Policy:
    spec = found.get("spec") or {}
    return Policy(found["metadata"]["name"], spec, Match(spec.get("matchConstraints") or {}))


def _binding(found: Object) -> tuple[str, Binding]:
    return found["spec"]["policyName"], Binding(found["metadata"]["name"], found["spec"])
