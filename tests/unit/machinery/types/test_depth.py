"""Nothing that takes objects apart fails on the deepest object that is let in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from longboat.api import kinds
from longboat.machinery.kinds import Kind
from longboat.machinery.patch import json as json_patch
from longboat.machinery.patch import merge, strategic
from longboat.machinery.text import MAX_DEPTH
from longboat.machinery.types import schema, strict

SCHEMA = schema.load()
WIDGET = Kind("example.com", "v1", "Widget", "widgets")
CALLERS = 150  # frames that stand above us in a server


def nested(levels: int, inner: Any, name: str = "a") -> Any:
    for _ in range(levels):
        inner = {name: inner}
    return inner


def below(frames: int, work: Callable[[], None]) -> None:
    if frames:
        below(frames - 1, work)
    else:
        work()


def custom() -> tuple[Kind, Any]:
    return WIDGET, {"apiVersion": "example.com/v1", "kind": "Widget", "spec": nested(MAX_DEPTH - 1, 1)}


def definition() -> tuple[Kind, Any]:
    inner: Any = {"type": "object"}
    for _ in range((MAX_DEPTH - 6) // 2):
        inner = {"properties": {"a": inner}}
    versions = [{"name": "v1", "schema": {"openAPIV3Schema": inner}}]
    return kinds.CUSTOM_RESOURCE_DEFINITION, {"spec": {"versions": versions}}


@pytest.mark.parametrize("made", [custom, definition])
def test_the_deepest_object(made: Callable[[], tuple[Kind, Any]]) -> None:
    kind, body = made()

    def work() -> None:
        obj, _ = SCHEMA.decode(kind, json.dumps(body).encode(), validation="Strict")
        stored = SCHEMA.canonical(kind, obj)
        assert SCHEMA.canonical(kind, json.loads(stored)) == stored
        strict.problems(SCHEMA.type(kind), obj)
        assert json_patch.apply(obj, [{"op": "test", "path": "/spec", "value": obj["spec"]}]) == obj
        assert merge.apply(obj, obj) == obj
        if (struct := SCHEMA.type(kind)) is not None:
            strategic.apply(obj, obj, struct)
            strategic.apply({}, obj, struct)

    below(CALLERS, work)
