"""How many bytes an object has in Kubernetes' protobuf encoding, which is what upstream's storage holds it to.

Fields that are absent count nothing. (Go writes two bytes for some of them; no limit is as sharp as that.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from longboat.machinery.objects import Object
from longboat.machinery.protobuf import MAGIC, Unknown, table
from longboat.machinery.shapes import List, Map, Shape, Struct

# A value takes at most this many times the bytes of its JSON. The worst is a negative number in a list: `-1,` are three
# bytes, its tag and varint eleven. Of all else, JSON's quotes, names and commas are longer than tags and lengths, or
# (a quantity: `"1",` and 2 + 2 + 1) less than twice as short.
MOST_PER_JSON = 4

_encode = msgspec.json.Encoder().encode


def size(struct: Struct, obj: Object) -> int:
    """Of an object as it is stored: in its envelope. Raises Unknown where there is no table for its message."""
    head = sum(2 + len(obj.get(name) or "") for name in ("apiVersion", "kind"))
    return len(MAGIC) + _framed(1, head) + _framed(1, _message(struct, obj, struct.name)) + 4


class _Fields:
    """What one message writes: the bytes of each field's tag, and the messages that JSON has inlined."""

    __slots__ = ("inlined", "tags")

    def __init__(self, name: str) -> None:
        numbers = table().get(name)
        if numbers is None:
            raise Unknown(name)
        self.tags = {field.name: _tag(number) for number, field in numbers.items() if not field.inlined}
        self.inlined = [(_tag(number), field.inlined) for number, field in numbers.items() if field.inlined]


_fields = lru_cache(maxsize=None)(_Fields)  # as many as the table has


def _message(struct: Struct, obj: Object, name: str) -> int:
    found = _fields(name)
    total = 0
    for field, value in obj.items():
        tag = found.tags.get(field)
        if tag is not None and value is not None and field in struct.fields:
            total += _field(struct.fields[field], value, tag)
    for tag, inlined in found.inlined:
        total += _framed(tag, _message(struct, obj, inlined))
    return total


def _field(shape: Shape, value: Any, tag: int) -> int:
    if isinstance(shape, List):
        return sum(_field(shape.item, item, tag) for item in value)
    if isinstance(shape, Map):
        return sum(_framed(tag, _framed(1, _length(key)) + _entry(shape.value, item)) for key, item in value.items())
    if isinstance(shape, Struct):
        return _framed(tag, _message(shape, value or {}, shape.name))
    return tag + _SCALARS[shape.name](value)


def _entry(shape: Shape, value: Any) -> int:
    """A map's value. A list is wrapped in a message of its own (ExtraValue)."""
    return _framed(1, _field(shape, value, 1)) if isinstance(shape, List) else _field(shape, value, 1)


def _tag(number: int) -> int:
    return 1 if number < 16 else 2


def _framed(tag: int, length: int) -> int:
    """Something with its length in front."""
    return tag + _varint(length) + length


def _varint(value: int) -> int:
    return 10 if value < 0 else max((value.bit_length() + 6) // 7, 1)


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _text(value: str) -> int:
    return _framed(0, _length(value))


def _any(value: Any) -> int:
    return _framed(0, _framed(1, len(_encode(value))))


def _int_or_string(value: int | str) -> int:
    number, text = (value, "") if isinstance(value, int) else (0, value)
    return _framed(0, 2 + 1 + _varint(number) + 1 + _text(text))


_SCALARS: dict[str, Callable[[Any], int]] = {
    "string": _text,
    "bytes": lambda value: _framed(0, math.ceil(len(value) * 3 / 4)),
    "int32": _varint,
    "int64": _varint,
    "double": lambda value: 8,
    "boolean": lambda value: 1,
    "quantity": lambda value: _framed(0, 1 + _text(str(value))),
    "time": lambda value: 9,  # seconds since 1970, no nanoseconds
    "microtime": lambda value: 13,
    "intstr": _int_or_string,
    "any": _any,
}
