"""Brings decoded JSON into the shape of its type, or says what is wrong with it as upstream's decoder does.

One walk checks types, drops nulls, fields the type does not have and what Go leaves out when it is empty, adds what Go
always writes, and puts fields in schema order. It is the slow way, for what `typed` would not take.
"""

from __future__ import annotations

from typing import Any

from longboat.machinery.text import in_order
from longboat.machinery.types.scalars import READERS
from longboat.machinery.types.shapes import ZERO, List, Map, Scalar, Shape, Struct
from longboat.machinery.types.wording import mismatch

LIMITS = {"int32": 1 << 31, "int64": 1 << 63}


def struct(shape: Struct, value: Any, path: str = "") -> dict[str, Any]:
    """The value as an object of this type. Raises Mistake, for the first field that is wrong."""
    if not isinstance(value, dict):
        raise mismatch(value, shape, shape, path)
    fields, dropped = shape.fields, shape.dropped
    found = {}
    for name, member in value.items():
        if member is not None and name in fields:
            step = shape.ways.get(name) or name
            read = _read(fields[name], member, shape, f"{path}.{step}" if path else step)
            if read or name not in dropped:
                found[name] = read
    for name, empty in shape.filled.items():
        if name not in found:
            found[name] = struct(empty, {}) if isinstance(empty, Struct) else empty
    if len(found) < 2:
        return found
    return {name: found[name] for name in sorted(found, key=shape.order.__getitem__)}


def stored(shape: Shape, value: Any) -> Any:
    """A value that `struct` has read, with the nulls that Go writes."""
    if isinstance(shape, Struct):
        fields, nulls = shape.fields, shape.nulls
        return {
            name: stored(fields[name], value[name]) if name in value else None
            for name in shape.order
            if name in value or name in nulls
        }
    if isinstance(shape, List):
        return [stored(shape.item, member) for member in value]
    if isinstance(shape, Map):
        return {key: stored(shape.value, member) for key, member in value.items()}
    return value


def _read(shape: Shape, value: Any, owner: Struct, path: str) -> Any:
    kind = type(shape)
    if kind is Scalar:
        return _scalar(shape, value, owner, path)  # type: ignore[arg-type]
    if kind is Struct:
        if not isinstance(value, dict):
            raise mismatch(value, shape, owner, path)
        return struct(shape, value, path)  # type: ignore[arg-type]
    if kind is List:
        if type(value) is not list:
            raise mismatch(value, shape, owner, path)
        item = shape.item  # type: ignore[union-attr]
        return [_element(item, member, owner, f"{path}[{i}]") for i, member in enumerate(value)]
    if not isinstance(value, dict):
        raise mismatch(value, shape, owner, path)
    item = shape.value  # type: ignore[union-attr]
    return {key: _element(item, value[key], owner, path) for key in in_order(value)}


def member(shape: Struct, value: Any, name: str) -> dict[str, Any]:
    """One field of an object whose other fields have no schema. Raises Mistake."""
    found: dict[str, Any] = _read(shape, value, Struct(""), name)
    return found


def _element(shape: Shape, value: Any, owner: Struct, path: str) -> Any:
    """A member of a list or map, where null stands for the type's zero value."""
    if value is None:
        if isinstance(shape, Scalar):
            return "" if shape.name == "bytes" else ZERO.get(shape.name)
        return [] if isinstance(shape, List) else struct(shape, {}) if isinstance(shape, Struct) else {}
    return _read(shape, value, owner, path)


def _scalar(shape: Scalar, value: Any, owner: Struct, path: str) -> Any:
    name, found = shape.name, type(value)
    if name == "string":
        if found is str:
            return value
    elif name in LIMITS:
        if found is int and -LIMITS[name] <= value < LIMITS[name]:
            return value
    elif name == "boolean":
        if found is bool:
            return value
    elif name == "any":
        return sorted_deeply(value)
    else:
        return READERS[name](value, shape, owner, path)
    raise mismatch(value, shape, owner, path)


def sorted_deeply(value: Any) -> Any:
    """Free-form JSON with the members of every object in order."""
    if isinstance(value, dict):
        return {name: sorted_deeply(value[name]) for name in in_order(value)}
    if type(value) is list:
        return [sorted_deeply(member) for member in value]
    return value
