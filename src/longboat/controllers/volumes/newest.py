"""An informer's objects, or what this controller wrote since: it never decides on what it knows to be out of date."""

from __future__ import annotations

from typing import Generic, TypeVar

from longboat.api.view import View, decode, version
from longboat.client.informer import Informer
from longboat.client.interface import Key

V = TypeVar("V", bound=View)


class Newest(Generic[V]):
    def __init__(self, informer: Informer[V]) -> None:
        self._informer = informer
        self._written: dict[Key, V] = {}
        informer.on_change(self._seen)

    def get(self, key: Key) -> V | None:
        return self._written.get(key) or self._informer.get(key)

    def newest(self, obj: V) -> V:
        """The object as last written, where that is newer."""
        return self._written.get(key_of(obj), obj)

    def wrote(self, view: type[V], answer: bytes) -> V:
        """Remember the API's answer to a write until the watch brings it."""
        obj = decode(view, answer)
        known = self._informer.get(key_of(obj))
        if known is not None and version(obj) > version(known):
            self._written[key_of(obj)] = obj
        return obj

    def _seen(self, old: V | None, new: V | None) -> None:
        obj = new or old
        assert obj is not None
        key = key_of(obj)
        written = self._written.get(key)
        if written is not None and (new is None or version(new) >= version(written)):
            del self._written[key]


def key_of(obj: View) -> Key:
    return Key(obj.metadata.namespace, obj.metadata.name)
