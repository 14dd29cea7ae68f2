"""From the policies that a request may concern to those that do, with the parameters that their bindings choose."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from longboat.api import kinds
from longboat.apiserver.admission import matching
from longboat.apiserver.admission.policies.params import Misconfigured, Params
from longboat.apiserver.admission.policies.source import Binding, Concern, Match, Policies, Policy
from longboat.apiserver.admission.versions import Versions
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes, Target
from longboat.registry.store import Store

# No policy is asked about what could turn policies off, nor about questions that are answered on the spot: what asks
# them would stand still (apiserver, policy/generic; kube-apiserver, exclusion).
EXEMPT = frozenset((
    kinds.VALIDATING_ADMISSION_POLICY, kinds.VALIDATING_ADMISSION_POLICY_BINDING,
    kinds.MUTATING_ADMISSION_POLICY, kinds.MUTATING_ADMISSION_POLICY_BINDING,
    kinds.SELF_SUBJECT_REVIEW, kinds.TOKEN_REVIEW, kinds.LOCAL_SUBJECT_ACCESS_REVIEW, kinds.SELF_SUBJECT_ACCESS_REVIEW,
    kinds.SELF_SUBJECT_RULES_REVIEW, kinds.SUBJECT_ACCESS_REVIEW,
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Invocation:
    """A policy, by one of its bindings, with what parametrizes it: one of perhaps several."""

    policy: Policy
    version: Kind  # of the resource, in which it sees the request
    binding: Binding
    params: list[Object | None]


@dataclass(frozen=True, slots=True)
class Misconfiguration:
    policy: Policy
    binding: Binding | None
    why: str


class Selection:
    """Which policies a request concerns."""

    def __init__(self, policies: Policies, params: Params, versions: Versions, namespaces: Store) -> None:
        self._policies, self._params, self._versions, self._namespaces = policies, params, versions, namespaces

    @staticmethod
    def handles(target: Target) -> bool:
        return target.kind not in EXEMPT

    def concerns(self, attributes: Attributes) -> Sequence[Concern]:
        """Those that rules do not rule out. Empty in most clusters, at the cost of two lengths. Raises Unreadable."""
        return () if self._policies.none else self._policies.concerning(attributes)

    async def invoked(
        self, concerns: Sequence[Concern], attributes: Attributes
    ) -> AsyncIterator[Invocation | Misconfiguration]:
        """Those that the request concerns, in order."""
        where = _Where(attributes, self._labels)
        for concern in concerns:
            policy = concern.policy
            version = self._version(concern, attributes, where)
            if version is None:
                continue
            if where.unknown(policy.match):
                yield Misconfiguration(policy, None, where.missing)
                continue
            try:
                store = None if policy.param_kind is None else self._params.store(policy.param_kind)
            except Misconfigured as error:
                yield Misconfiguration(policy, None, f"failed to configure policy: {error}")
                continue
            for binding, always in concern.bindings:
                if (match := binding.match) is not None:
                    if not where.selects(match):
                        continue
                    if not always and match.version(attributes, self._versions.others) is None:
                        continue
                    if where.unknown(match):
                        yield Misconfiguration(policy, binding, where.missing)
                        continue
                try:
                    params = await self._chosen(store, binding, attributes)
                except Misconfigured as error:
                    yield Misconfiguration(policy, binding, f"failed to configure binding: {error}")
                    continue
                yield Invocation(policy, version, binding, params)

    def _version(self, concern: Concern, attributes: Attributes, where: _Where) -> Kind | None:
        match = concern.policy.match
        if not where.selects(match):
            return None
        return concern.version or match.version(attributes, self._versions.others)

    async def _chosen(self, store: Store | None, binding: Binding, attributes: Attributes) -> list[Object | None]:
        """Without a kind or a reference there is none, and the policy is asked once. Raises Misconfigured."""
        ref = binding.spec.get("paramRef")
        if store is None or ref is None:
            return [None]
        return [*await self._params.chosen(store, ref, matching.namespace_of(attributes))]

    def _labels(self, namespace: str) -> Mapping[str, str] | None:
        entry = self._namespaces.find("", namespace)
        return None if entry is None else entry.labels


class _Where:
    """What selectors look at, found out when the first of them does."""

    def __init__(self, attributes: Attributes, labels: Callable[[str], Mapping[str, str] | None]) -> None:
        self._attributes, self._find = attributes, labels
        self._about = matching.is_about_namespaced(attributes)
        self._known = False
        self._found: Mapping[str, str] | None = None

    @property
    def missing(self) -> str:
        return f'namespaces "{matching.namespace_of(self._attributes)}" not found'

    @property
    def _labels(self) -> Mapping[str, str] | None:
        if not self._known:
            self._found, self._known = matching.labels_of(self._attributes, self._find), True
        return self._found

    def selects(self, match: Match) -> bool:
        """A namespace that is not there is selected: see `unknown`."""
        if self._about and not match.namespaces.empty:
            labels = self._labels
            if labels is not None and not match.namespaces.matches(labels):
                return False
        return matching.selected(match.objects, self._attributes)

    def unknown(self, match: Match) -> bool:
        """Whether it cannot be said if the namespace is selected."""
        return self._about and not match.namespaces.empty and self._labels is None
