"""Which autoscalers select a pod. Pure.

Each selector is kept under labels that a pod must have to be selected by it, so a pod asks only those it may be
selected by, however many others its namespace has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from longboat.client.interface import Key
from longboat.machinery.selectors import LabelSelector

Place = tuple[str, str, str]
"""A namespace, and a label's key and value; both "" for selectors that ask for no value."""


class Selecting:
    def __init__(self) -> None:
        self._of: dict[Key, LabelSelector] = {}
        self._at: dict[Place, dict[Key, LabelSelector]] = {}

    def put(self, key: Key, selector: LabelSelector) -> None:
        """From now on this autoscaler has this selector."""
        if self._of.get(key) == selector:
            return
        self.drop(key)
        self._of[key] = selector
        for place in _places(key.namespace, selector):
            self._at.setdefault(place, {})[key] = selector

    def drop(self, key: Key) -> None:
        selector = self._of.pop(key, None)
        for place in _places(key.namespace, selector) if selector is not None else ():
            del self._at[place][key]
            if not self._at[place]:
                del self._at[place]

    def those_of(self, namespace: str, labels: Mapping[str, str]) -> set[Key]:
        """The autoscalers that select a pod with these labels."""
        places: list[Place] = [(namespace, "", ""), *((namespace, key, value) for key, value in labels.items())]
        return {
            key for place in places for key, selector in self._at.get(place, {}).items() if selector.matches(labels)
        }


def _places(namespace: str, selector: LabelSelector) -> Iterable[Place]:
    for requirement in selector.requirements:
        if requirement.operator in ("=", "==", "in"):
            return [(namespace, requirement.key, value) for value in requirement.values]
    return [(namespace, "", "")]
