"""The policies that are configured, with their bindings, and which of them a request may concern.

What rules say of a sort of request (kind, operation, subresource) is worked out at the first of it and kept until a
policy, a binding or what is served changes: policies of other resources cost a request nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from longboat.apiserver.admission import matching
from longboat.apiserver.admission.matching import Equivalents
from longboat.apiserver.admission.versions import Versions
from longboat.machinery import selectors
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.selectors import LabelSelector
from longboat.registry.admission import Attributes, Target
from longboat.registry.store import Store

if TYPE_CHECKING:
    from longboat.apiserver.admission.policies.compiled import Compiled

FEW = 4000  # characters of expressions that are compiled at once: some 5 ms
MOST = 4096  # sorts of requests that are remembered


class Match:
    """MatchResources of a policy or of a binding."""

    def __init__(self, found: Object) -> None:
        self._rules: list[Object] = found.get("resourceRules") or []
        self._excluded: list[Object] = found.get("excludeResourceRules") or []
        self._exactly = found.get("matchPolicy") == "Exact"
        self.namespaces = _selector(found.get("namespaceSelector"))
        self.objects = _selector(found.get("objectSelector"))
        self._by_name = any(rule.get("resourceNames") for rule in (*self._rules, *self._excluded))

    def version(self, attributes: Attributes, others: Equivalents) -> Kind | None:
        """In which version of its resource the request is meant; None where it is not."""
        how: Any = {"exactly": self._exactly, "others": others}
        if matching.matched(self._excluded, attributes, **how) is not None:
            return None
        if not self._rules:
            return attributes.kind
        return matching.matched(self._rules, attributes, **how)

    def always(self, attributes: Attributes, others: Equivalents) -> Kind | bool | None:
        """The same for all requests of this sort; True where it hangs on the object's name."""
        if not self._by_name:
            return self.version(attributes, others)
        anyhow = Match({
            "matchPolicy": "Exact" if self._exactly else "Equivalent",
            "resourceRules": [rule | {"resourceNames": []} for rule in self._rules],
        })  # fmt: skip
        return anyhow.version(attributes, others) is not None or None


def _selector(found: Object | None) -> LabelSelector:
    return selectors.from_api(found or {})


@dataclass(slots=True)
class Policy:
    name: str
    spec: Object
    match: Match
    compiled: Compiled | None = None

    @property
    def fails_open(self) -> bool:
        return bool(self.spec.get("failurePolicy") == "Ignore")

    @property
    def param_kind(self) -> Object | None:
        found: Object | None = self.spec.get("paramKind")
        return found

    async def ready(self, attributes: Attributes) -> Compiled:
        """Its expressions. Many are compiled beside the loop."""
        from longboat.apiserver.admission.policies.compiled import compile_policy, size

        if self.compiled is None:
            if size(self.spec) > FEW:
                self.compiled = await attributes.seat.beside(compile_policy, self.spec)
            else:
                self.compiled = compile_policy(self.spec)
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


@dataclass(slots=True)
class Concern:
    """A policy that requests of a sort may concern. `version`: in which version of the resource; None where that hangs
    on the object's name."""

    policy: Policy
    version: Kind | None
    bindings: list[tuple[Binding, bool]]  # whether it covers all requests of the sort, as far as rules go


@dataclass(slots=True)
class _Read:
    """What the caches held at a time."""

    policies: list[tuple[Policy, list[Binding]]] = field(default_factory=list)
    concerns: dict[Target, list[Concern]] = field(default_factory=dict)


class Policies:
    """Of one kind, validating or mutating. A change is in force with the next request."""

    def __init__(self, policies: Store, bindings: Store, versions: Versions) -> None:
        self._policies, self._bindings, self._versions = policies, bindings, versions
        self._made: dict[str, tuple[Any, Policy]] = {}  # by name, with what tells a spec from the one before
        self._read = _Read()
        self._as_of: tuple[int, int, int] = (-1, -1, -1)

    @property
    def none(self) -> bool:
        """Without a binding nothing is in force: what nearly every write asks."""
        cache = self._bindings.cache
        return not len(cache) and not cache.unopened

    def concerning(self, attributes: Attributes) -> Sequence[Concern]:
        """Those that may concern the request, by name. Raises Unreadable: one that cannot be read may guard."""
        as_of = (self._policies.cache.version, self._bindings.cache.version, self._versions.version)
        if as_of != self._as_of:
            self._read, self._as_of = self._all(), as_of
        concerns, target = self._read.concerns, attributes.target
        found = concerns.get(target)
        if found is None:
            if len(concerns) == MOST:
                concerns.clear()
            found = concerns[target] = list(self._sorted_out(attributes))
        return found

    def _all(self) -> _Read:
        bound: dict[str, list[Binding]] = {}
        for entry in self._bindings.entries():
            found = msgspec.json.decode(entry.body)
            bound.setdefault(found["spec"]["policyName"], []).append(Binding(found["metadata"]["name"], found["spec"]))
        before, self._made = self._made, {}
        read = _Read()
        for entry in self._policies.entries():
            found = msgspec.json.decode(entry.body)
            metadata = found["metadata"]
            name, mark = metadata["name"], (metadata.get("uid"), metadata.get("generation"))
            if name not in bound:
                continue
            known = before.get(name)
            policy = known[1] if known is not None and known[0] == mark else _policy(found)
            self._made[name] = mark, policy
            read.policies.append((policy, bound[name]))
        return read

    def _sorted_out(self, attributes: Attributes) -> Iterable[Concern]:
        others = self._versions.others
        for policy, bindings in self._read.policies:
            version = policy.match.always(attributes, others)
            if version is None:
                continue
            covering = []
            for binding in bindings:
                covers = True if binding.match is None else binding.match.always(attributes, others)
                if covers is not None:
                    covering.append((binding, binding.match is None or covers is not True))
            if covering:
                yield Concern(policy, version if isinstance(version, Kind) else None, covering)


def _policy(found: Object) -> Policy:
    spec = found.get("spec") or {}
    return Policy(found["metadata"]["name"], spec, Match(spec.get("matchConstraints") or {}))
