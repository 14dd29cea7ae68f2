"""Brings decoded JSON into the shape of its type, or says what is wrong with it as upstream's decoder does.

One walk checks types, finds unknown fields, drops them and nulls, and puts fields in schema order.
"""

from __future__ import annotations

import binascii
import re
from datetime import datetime
from typing import Any

from longboat.machinery import quantity
from longboat.machinery.objects import micro_timestamp, timestamp
from longboat.machinery.shapes import List, Map, Scalar, Shape, Struct


class Mistake(Exception):
    """The value is not of its field's type; the message is upstream's."""


class Walk:
    """One object's walk. `unknown` collects the paths of fields the type does not have."""

    __slots__ = ("keys", "unknown")

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.keys = 0  # members met, to be held against the source when looking for duplicates

    def struct(self, shape: Struct, value: Any, path: str) -> dict[str, Any]:
        """Raises Mistake."""
        if type(value) is not dict:
            raise mismatch(value, shape, shape, path)
        self.keys += len(value)
        fields, out = shape.fields, {}
        names = value if len(value) < 2 else sorted(value, key=_Rank(shape.order))
        for name in names:
            member = value[name]
            wanted = fields.get(name)
            if wanted is None:
                self.unknown.append(f"{path}.{name}" if path else name)
                self.keys += count(member)
                continue
            if member is None:
                continue
            kind = type(wanted)
            if kind is Scalar:
                out[name] = self.scalar(wanted, member, shape, path, name)  # type: ignore[arg-type]
            else:
                out[name] = self.value(wanted, member, shape, f"{path}.{name}" if path else name)
        return out

    def value(self, shape: Shape, value: Any, owner: Struct, path: str) -> Any:
        kind = type(shape)
        if kind is Struct:
            if type(value) is not dict:
                raise mismatch(value, shape, owner, path)
            return self.struct(shape, value, path)  # type: ignore[arg-type]
        if kind is List:
            return self.items(shape, value, owner, path)  # type: ignore[arg-type]
        if kind is Map:
            return self.map(shape, value, owner, path)  # type: ignore[arg-type]
        return self.scalar(shape, value, owner, path, "")  # type: ignore[arg-type]

    def items(self, shape: List, value: Any, owner: Struct, path: str) -> list[Any]:
        if type(value) is not list:
            raise mismatch(value, shape, owner, path)
        item = shape.item
        if type(item) is Struct:
            return [
                self.struct(item, {} if v is None else v, f"{path}[{i}]")
                if type(v) is dict or v is None
                else _raise(mismatch(v, item, owner, path))
                for i, v in enumerate(value)
            ]
        return [self._element(item, v, owner, path) for v in value]

    def map(self, shape: Map, value: Any, owner: Struct, path: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise mismatch(value, shape, owner, path)
        self.keys += len(value)
        item = shape.value
        return {key: self._element(item, value[key], owner, path) for key in sorted(value)}

    def _element(self, shape: Shape, value: Any, owner: Struct, path: str) -> Any:
        """A member of a list or map, where null stands for the type's zero value."""
        if value is None:
            value = ZERO.get(shape.name) if isinstance(shape, Scalar) else [] if isinstance(shape, List) else {}
            if value is None:
                return None
        return self.value(shape, value, owner, path)

    def scalar(self, shape: Scalar, value: Any, owner: Struct, path: str, field: str) -> Any:
        kind = shape.name
        found = type(value)
        if kind == "string":
            if found is str:
                return value
        elif kind == "int32" or kind == "int64":
            if found is int and -LIMITS[kind] <= value < LIMITS[kind]:
                return value
            if found is float and value.is_integer() and abs(value) < LIMITS[kind]:
                return int(value)
        elif kind == "boolean":
            if found is bool:
                return value
        elif kind == "any":
            self.keys += count(value)
            return value
        else:
            return SPECIAL[kind](value, shape, owner, f"{path}.{field}" if path and field else path or field)
        raise mismatch(value, shape, owner, f"{path}.{field}" if path and field else path or field)


LIMITS = {"int32": 1 << 31, "int64": 1 << 63}
ZERO = {"string": "", "bytes": "", "int32": 0, "int64": 0, "double": 0, "boolean": False, "quantity": "0", "intstr": 0}


class _Rank:
    """Sort key: a field's rank in its type, unknown fields last."""

    __slots__ = ("_get",)

    def __init__(self, order: dict[str, int]) -> None:
        self._get = order.get

    def __call__(self, name: str) -> int:
        return self._get(name, 1 << 30)


def _raise(error: Exception) -> Any:
    raise error


def count(value: Any) -> int:
    """How many members the objects in a free-form value have."""
    total, stack = 0, [value]
    while stack:
        top = stack.pop()
        if type(top) is dict:
            total += len(top)
            stack.extend(top.values())
        elif type(top) is list:
            stack.extend(top)
    return total


_INDEX = re.compile(r"\[[^\]]*\]")


def described(value: Any) -> str:
    """A JSON value as Go's decoder names it."""
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case int():
            return "number" if abs(value) < 1 << 31 else f"number {value}"
        case float():
            return f"number {value}"
        case list():
            return "array"
    return "object"


def mismatch(value: Any, shape: Shape, owner: Struct, path: str) -> Mistake:
    shown = described(value)
    if shown == "number" and isinstance(shape, Scalar) and shape.name in LIMITS:
        shown = f"number {value}"
    if not path:
        return Mistake(f"json: cannot unmarshal {shown} into Go value of type {shape.go}")
    field = f"{owner.short}.{_INDEX.sub('', path)}"
    return Mistake(f"json: cannot unmarshal {shown} into Go struct field {field} of type {shape.go}")


def _bytes(value: Any, shape: Scalar, owner: Struct, path: str) -> str:
    if type(value) is not str:
        raise mismatch(value, shape, owner, path)
    try:
        binascii.a2b_base64(value, strict_mode=True)
    except binascii.Error as error:
        clean = value.replace("\n", "").replace("\r", "")
        if clean != value:
            return _bytes(clean, shape, owner, path)  # Go passes over line ends
        raise Mistake(f"illegal base64 data at input byte {bad_base64(value)}") from error
    return value


def bad_base64(text: str) -> int:
    """Where Go's decoder stops: the first byte outside the alphabet, or the incomplete group."""
    for at, char in enumerate(text):
        if not (char.isascii() and (char.isalnum() or char in "+/")):
            padding = text[at:] in ("=", "==") and len(text) % 4 == 0
            return len(text) if padding else at
    return len(text) // 4 * 4


def _double(value: Any, shape: Scalar, owner: Struct, path: str) -> Any:
    if type(value) in (int, float):
        return value
    raise mismatch(value, shape, owner, path)


def _quantity(value: Any, shape: Scalar, owner: Struct, path: str) -> str:
    if isinstance(value, (dict, list, bool)):
        raise mismatch(value, shape, owner, path)
    text = value.strip() if isinstance(value, str) else repr(value) if isinstance(value, float) else str(value)
    if text == "":
        return "0"
    try:
        return str(quantity.parse(text))
    except ValueError as error:
        raise Mistake(str(error)) from error


def _intstr(value: Any, shape: Scalar, owner: Struct, path: str) -> Any:
    if type(value) is str or (type(value) is int and -LIMITS["int32"] <= value < LIMITS["int32"]):
        return value
    target = shape if isinstance(value, str) else Scalar("int32", "int32")
    raise mismatch(value, target, owner, path)


_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_LAYOUT = "2006-01-02T15:04:05Z07:00"


def _time(value: Any, shape: Scalar, owner: Struct, path: str) -> str:
    if type(value) is not str:
        raise mismatch(value, Scalar("string", "string"), owner, path)
    layout = "2006-01-02T15:04:05.000000Z07:00" if shape.name == "microtime" else _LAYOUT
    if not _TIME.fullmatch(value):
        raise Mistake(f'parsing time "{value}" as "{layout}": cannot parse {_unparsed(value)}')
    if value.endswith("Z") and (shape.name == "microtime" or "." not in value):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise Mistake(f'parsing time "{value}": {str(error).replace("must be in 0..23", "out of range")}') from error
    return micro_timestamp(moment) if shape.name == "microtime" else timestamp(moment)


_PARTS = (
    ("2006", 4), ("-", 1), ("01", 2), ("-", 1), ("02", 2), ("T", 1),
    ("15", 2), (":", 1), ("04", 2), (":", 1), ("05", 2),
)  # fmt: skip


def _unparsed(text: str) -> str:
    """The part of a time that does not fit, and the piece of the layout it does not fit."""
    at = 0
    for piece, width in _PARTS:
        found = text[at : at + width]
        fits = found.isdigit() and len(found) == width if piece.isdigit() else found == piece
        if not fits:
            return f'"{text[at:]}" as "{piece}"'
        at += width
    return f'"{text[at:]}" as "Z07:00"'


SPECIAL = {
    "bytes": _bytes,
    "double": _double,
    "quantity": _quantity,
    "intstr": _intstr,
    "time": _time,
    "microtime": _time,
}
