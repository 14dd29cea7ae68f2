"""Which other pods a scheduling rule speaks of: label selectors with matchLabelKeys, and the namespaces they cover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longboat.machinery import selectors
from longboat.machinery.selectors import LabelSelector
from longboat.scheduler.views import Pod, PodAffinityTerm


def selector_for(pod: Pod, selector: dict[str, Any] | None, match: list[str], mismatch: list[str]) -> LabelSelector:
    """The selector, narrowed by the pod's own values of the given label keys (KEP-3243, KEP-3633)."""
    labels = pod.metadata.labels
    extra = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for keys, operator in ((match, "In"), (mismatch, "NotIn"))
        for key in keys
        if key in labels
    ]
    if selector is None or not extra:
        return selectors.from_api(selector)
    return selectors.from_api({**selector, "matchExpressions": [*selector.get("matchExpressions", []), *extra]})


class PodTerm:
    """A pod (anti-)affinity term, made ready to be matched many times."""

    __slots__ = ("_names", "_namespaces", "_selector", "key")

    def __init__(self, owner: Pod, term: PodAffinityTerm) -> None:
        self.key = term.topologyKey
        # The API server has merged matchLabelKeys into the selector already where the feature is on.
        self._selector = selectors.from_api(term.labelSelector)
        self._names = frozenset(term.namespaces)
        self._namespaces = None if term.namespaceSelector is None else selectors.from_api(term.namespaceSelector)
        if not self._names and self._namespaces is None:
            self._names = frozenset((owner.metadata.namespace,))

    def matches(self, pod: Pod, namespaces: Mapping[str, Mapping[str, str]]) -> bool:
        """Whether the term speaks of this pod. `namespaces` gives each namespace's labels."""
        namespace = pod.metadata.namespace
        selected = self._namespaces is not None and self._namespaces.matches(namespaces.get(namespace, {}))
        return (selected or namespace in self._names) and self._selector.matches(pod.metadata.labels)
