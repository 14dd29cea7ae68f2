"""From the policies that a request may concern to those that do, with the parameters that their bindings choose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from longboat.api import kinds
from longboat.apiserver.admission import matching
from longboat.apiserver.admission.policies.params import Misconfigured, Params
from longboat.apiserver.admission.policies.source import Binding, Match, Policies, Policy, Sort
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
    """A policy, by one of its bindings."""

    policy: Policy
    version: Kind  # of the resource, in which it sees the request
    binding: Binding


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

    def concerned(self, attributes: Attributes) -> Sequence[Invocation | Misconfiguration]:
        """Those that the request concerns, in order. In most clusters none, at the cost of two lengths.

        Raises Unreadable.
        """
        if self._policies.none:
            return ()
        sort = self._policies.concerning(attributes)
        return list(self._chosen(sort, attributes)) if sort.all else ()

    def _chosen(self, sort: Sort, attributes: Attributes) -> Iterator[Invocation | Misconfiguration]:
        about = matching.is_about_namespaced(attributes)
        labels = matching.labels_of(attributes, self._labels) if about else _EVERYWHERE
        others, unknown = self._versions.others, set[str]()
        for concern in sort.within(labels) if about and labels is not None else sort.all:
            policy, match = concern.policy, concern.policy.match
            version = concern.version
            if not _selects(match, about, labels, attributes):
                continue
            if version is None and (version := match.version(attributes, others)) is None:
                continue
            if labels is None and not match.namespaces.empty:
                if policy.name not in unknown:
                    unknown.add(policy.name)
                    yield Misconfiguration(policy, None, _missing(attributes))
                continue
            if (binding := concern.binding) is None:
                yield Misconfiguration(policy, None, policy.broken)
                continue
            if (bound := binding.match) is not None:
                if not _selects(bound, about, labels, attributes):
                    continue
                if not concern.covers and bound.version(attributes, others) is None:
                    continue
                if labels is None and not bound.namespaces.empty:
                    yield Misconfiguration(policy, binding, _missing(attributes))
                    continue
            yield Invocation(policy, version, binding)

    async def params(self, each: Invocation, attributes: Attributes) -> Sequence[Object | None] | Misconfiguration:
        """What parametrizes it. Without a kind or a reference nothing does, and it is asked once."""
        store, ref = each.policy.store, each.binding.spec.get("paramRef")
        if store is None or ref is None:
            return _NO_PARAMS
        try:
            return await self._params.chosen(store, ref, matching.namespace_of(attributes))
        except Misconfigured as error:
            return Misconfiguration(each.policy, each.binding, f"failed to configure binding: {error}")

    def _labels(self, namespace: str) -> Mapping[str, str] | None:
        entry = self._namespaces.find("", namespace)
        return None if entry is None else entry.labels


_NO_PARAMS: Sequence[Object | None] = (None,)
_EVERYWHERE: Mapping[str, str] = {}


def _selects(match: Match, about: bool, labels: Mapping[str, str] | None, attributes: Attributes) -> bool:
    """A namespace that is not there is selected: whether it guards cannot be said."""
    if about and labels is not None and not (match.namespaces.empty or match.namespaces.matches(labels)):
        return False
    return match.objects.empty or matching.selected(match.objects, attributes)


def _missing(attributes: Attributes) -> str:
    return f'namespaces "{matching.namespace_of(attributes)}" not found'
