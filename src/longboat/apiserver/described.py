"""What the watch cache asks of an object: its labels and its selectable fields."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from longboat.registry.strategy import Strategy
from longboat.storage.entry import Describe, Labels, NameFields

_decode = msgspec.json.Decoder().decode


class _Head(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}


class _Slim(msgspec.Struct):
    metadata: _Head


_slim = msgspec.json.Decoder(_Slim)


def describe(strategy: Strategy) -> Describe:
    """Of the objects of a kind."""
    whole = bool(strategy.selectable or strategy.described)

    def describe_object(plain: bytes) -> tuple[Labels, Mapping[str, str]]:
        head = _slim.decode(plain).metadata
        fields = NameFields(head.name, head.namespace)
        return head.labels, {**fields, **strategy.fields(_decode(plain))} if whole else fields

    return describe_object
