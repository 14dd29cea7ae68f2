"""Brings decoded JSON into the shape of its type, or says what is wrong with it as upstream's decoder does.

One walk checks types, drops nulls, empty lists and maps (as Go's `omitempty` does) and fields the type does not have,
and puts fields in schema order. It is the slow way, for what `typed` would not take.
"""

from __future__ import annotations

from typing import Any

from longboat.machinery.scalars import READERS
from longboat.machinery.shapes import List, Map, Scalar, Shape, Struct
from longboat.machinery.text import in_order
from longboat.machinery.wording import mismatch

LIMITS = {"int32": 1 << 31, "int64": 1 << 63}
_ZERO: dict[str, Any] = {
    "string": "", "bytes": "", "int32": 0, "int64": 0, "double": 0, "boolean": False, "quantity": "0", "intstr": 0,
}  # fmt: skip


def struct(shape: Struct, value: Any, path: str = "") -> dict[str, Any]:
    """The value as an object of this type. Raises Mistake, for the first field that is wrong."""
    if type(value) is not dict:
        raise mismatch(value, shape, shape, path)
    fields = shape.fields
    found = {
        name: _read(fields[name], member, shape, f"{path}.{name}" if path else name)
        for name, member in value.items()
        if member is not None and name in fields and not _says_nothing(shape, name, member)
    }
    if len(found) < 2:
        return found
    return {name: found[name] for name in sorted(found, key=shape.order.__getitem__)}


def _says_nothing(owner: Struct, name: str, value: Any) -> bool:
    """Whether it is an empty list or map that is as good as absent."""
    if value or name in owner.kept:
        return False
    shape, kind = owner.fields[name], type(value)
    return (kind is list and type(shape) is List) or (kind is dict and type(shape) is Map)


def _read(shape: Shape, value: Any, owner: Struct, path: str) -> Any:
    kind = type(shape)
    if kind is Scalar:
        return _scalar(shape, value, owner, path)  # type: ignore[arg-type]
    if kind is Struct:
        if type(value) is not dict:
            raise mismatch(value, shape, owner, path)
        return struct(shape, value, path)  # type: ignore[arg-type]
    if kind is List:
        if type(value) is not list:
            raise mismatch(value, shape, owner, path)
        item = shape.item  # type: ignore[union-attr]
        return [_element(item, member, owner, f"{path}[{i}]") for i, member in enumerate(value)]
    if type(value) is not dict:
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
            return _ZERO.get(shape.name)
        return [] if isinstance(shape, List) else {}
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
    if type(value) is dict:
        return {name: sorted_deeply(value[name]) for name in in_order(value)}
    if type(value) is list:
        return [sorted_deeply(member) for member in value]
    return value
