"""A patched object as upstream spells it in a message: JSON in the order in which its patching leaves it.

An object is patched there as text. What no patch has touched stays as Go has written it, its fields in the order of
their numbers. What has been looked into was a map for a while, and is written in the order of its keys.
"""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.machinery.fieldpath import escaped
from longboat.machinery.messages import numbered
from longboat.machinery.objects import Object
from longboat.machinery.patch.json import pointer
from longboat.machinery.types.shapes import List, Map, Shape, Struct

_HEAD = ("kind", "apiVersion")  # TypeMeta, which no message numbers

Touched = dict[str, Any]
"""The members of an object that a patch has looked into: each with those of its own, or None where it put a value."""


def by_operations(operations: Any) -> Touched:
    """What a JSON patch touches. A value that it puts somewhere stays as it was written."""
    found: Touched = {}
    for operation in operations:
        for field in ("path", "from"):
            if field in operation:
                at: Touched = found
                *steps, last = pointer(operation[field]) or [""]
                for step in steps:
                    if at.get(step) is None:
                        at[step] = {}
                    at = at[step]
                at.setdefault(last, None)
    return found


def spelled(shape: Shape | None, value: Any, touched: Any, *, merged: bool = False) -> str:
    """`touched` is what `by_operations` says, or a merge patch itself if it was `merged`."""
    return escaped(msgspec.json.encode(_ordered(shape, value, touched, merged)).decode())


def _ordered(shape: Shape | None, value: Any, touched: Any, merged: bool) -> Any:
    if isinstance(value, dict):
        if not isinstance(touched, dict):
            return _as_written(shape, value)
        return {
            key: _ordered(_member(shape, key), value[key], touched[key], merged)
            if isinstance(touched.get(key), dict)
            else _put(value[key], merged)
            if key in touched
            else _as_written(_member(shape, key), value[key])
            for key in sorted(value)
        }
    if isinstance(value, list) and isinstance(touched, dict):
        item = shape.item if isinstance(shape, List) else None
        return [
            _ordered(item, member, touched[str(i)], merged)
            if isinstance(touched.get(str(i)), dict)
            else member
            if str(i) in touched
            else _as_written(item, member)
            for i, member in enumerate(value)
        ]
    return _as_written(shape, value)


def _put(value: Any, merged: bool) -> Any:
    """What a patch has put in a place: a merge patch has been through all of it, for the nulls."""
    return msgspec.json.decode(msgspec.json.encode(value, order="sorted")) if merged else value


def _member(shape: Shape | None, key: str) -> Shape | None:
    if isinstance(shape, Struct):
        return shape.fields.get(key)
    return shape.value if isinstance(shape, Map) else None


def _as_written(shape: Shape | None, value: Any) -> Any:
    if isinstance(value, list):
        return [_as_written(shape.item if isinstance(shape, List) else None, member) for member in value]
    if not isinstance(value, dict):
        return value
    names = _by_number(shape, value) if isinstance(shape, Struct) else sorted(value)
    return {name: _as_written(_member(shape, name), value[name]) for name in names}


def _by_number(shape: Struct, value: Object) -> list[str]:
    order = {name: place for place, name in enumerate([*_HEAD, *_names(shape.name)])}
    return sorted(value, key=lambda name: (order.get(name, len(order)), name))


def _names(message: str) -> list[str]:
    fields = numbered(message) or {}
    found = []
    for number in sorted(fields):
        inner = fields[number].inlined
        found += _names(inner) if inner else [fields[number].name]
    return found
