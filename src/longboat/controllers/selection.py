"""Whose label selector matches these labels, without asking everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from longboat.api.view import View
from longboat.client.informer import Informer
from longboat.machinery import selectors
from longboat.machinery.objects import Object

V = TypeVar("V", bound=View)

Anchor = tuple[str, str, str]  # namespace, label, value


def anchors(namespace: str, selector: Object | None) -> Iterable[Anchor]:
    """Labels of which an object must have one to be selected; where there are none such, any object may be."""
    selector = selector or {}
    if labels := selector.get("matchLabels"):
        key = min(labels)
        return ((namespace, key, labels[key]),)
    for expression in selector.get("matchExpressions") or ():
        if expression.get("operator") == "In" and expression.get("values"):
            return tuple((namespace, expression.get("key", ""), value) for value in expression["values"])
    return ((namespace, "", ""),)


class Selectors(Generic[V]):
    """The objects of one informer by their selectors. An empty selector matches nothing, or else everything."""

    def __init__(self, informer: Informer[V], selector_of: Callable[[V], Any], *, empty_is_all: bool = False) -> None:
        self._informer = informer
        self._selector_of = selector_of
        self._empty_is_all = empty_is_all
        informer.index("selector", lambda obj: anchors(obj.metadata.namespace, selector_of(obj)))

    def matching(self, namespace: str, labels: Mapping[str, str]) -> list[V]:
        """Those whose selector matches."""
        found = self._informer.by_index("selector", (namespace, "", ""))
        for key, value in labels.items():
            found += self._informer.by_index("selector", (namespace, key, value))
        return [obj for obj in found if self._matches(obj, labels)]

    def _matches(self, obj: V, labels: Mapping[str, str]) -> bool:
        selector = selectors.from_api(self._selector_of(obj))
        return (self._empty_is_all or not selector.empty) and selector.matches(labels)
