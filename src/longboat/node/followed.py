"""Objects that volumes of running pods are made of: watched one by one, so that files follow them within moments.

A node may watch single objects only (KEP-279). One watch serves all pods that refer to an object; it ends with the
last of them, or when the object turns out to be immutable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import msgspec

from longboat.client.informer import Informer, Informers
from longboat.client.interface import Key
from longboat.node.views.objects import ConfigMap, Secret

# Changes only when the cluster's CA does, and is in every namespace: a connection each would be a waste.
ROOT_CA = "kube-root-ca.crt"


class Subject(NamedTuple):
    """An object that a volume is made of."""

    view: type[ConfigMap] | type[Secret]
    key: Key


class _Watch(msgspec.Struct):
    informer: Informer[Any]
    pods: set[str] = msgspec.field(default_factory=set)  # uids


class Followed:
    """`changed` is told the uid of each pod whose volumes may be out of date."""

    def __init__(self, informers: Informers, changed: Callable[[str], None]) -> None:
        self._informers, self._changed = informers, changed
        self._watches: dict[Subject, _Watch] = {}

    def follow(self, pod: str, subjects: Iterable[Subject]) -> None:
        """From now on these, and no others, are what the pod's volumes are made of."""
        wanted = {subject for subject in subjects if subject.key.name != ROOT_CA}
        for subject in [s for s, watch in self._watches.items() if pod in watch.pods and s not in wanted]:
            self._drop(pod, subject)
        for subject in wanted:
            watch = self._watches.get(subject)
            if watch is None:
                watch = self._watches[subject] = _Watch(self._informers.single(subject.view, subject.key))
                watch.informer.on_change(partial(self._tell, subject))
            watch.pods.add(pod)

    def forget(self, pod: str) -> None:
        self.follow(pod, ())

    def find(self, subject: Subject) -> tuple[bool, Any]:
        """Whether the object's state is known here, and the object, None if it does not exist."""
        watch = self._watches.get(subject)
        if watch is None or not watch.informer.has_synced:
            return False, None
        return True, watch.informer.get(subject.key)

    def _drop(self, pod: str, subject: Subject) -> None:
        watch = self._watches[subject]
        watch.pods.discard(pod)
        if not watch.pods:
            del self._watches[subject]
            self._informers.drop(watch.informer)

    def _tell(self, subject: Subject, old: Any, new: ConfigMap | Secret | None) -> None:
        watch = self._watches.get(subject)
        if watch is None:
            return
        for pod in watch.pods:
            self._changed(pod)
        if new is not None and new.immutable:
            self._informers.drop(watch.informer)
