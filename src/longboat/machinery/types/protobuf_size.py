"""How many bytes an object has in Kubernetes' protobuf encoding, which is what upstream's storage holds it to.

Absent fields count as well, unless they are pointers, lists or maps: Go writes their zero.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from longboat.machinery.messages import numbered as numbers_of
from longboat.machinery.objects import Object
from longboat.machinery.types.protobuf import MAGIC, Unknown
from longboat.machinery.types.shapes import ZERO, List, Map, Scalar, Shape, Struct

# A value takes at most this many times the bytes of its JSON. The worst is an empty JSONSchemaProps in a list: `{},`
# are three bytes, the zeros that Go writes of it 32.
# (Of what is not empty: a negative number in a list, `-1,`, eleven.)
MOST_PER_JSON = 11

_encode = msgspec.json.Encoder().encode


def size(struct: Struct, obj: Object) -> int:
    """Of an object as it is stored: in its envelope. Raises Unknown where there is no table for its message."""
    head = sum(2 + len(obj.get(name) or "") for name in ("apiVersion", "kind"))
    return len(MAGIC) + _framed(1, head) + _framed(1, _message(struct, obj, struct.name)) + 4


class _Fields:
    """What one message writes: the bytes of each field's tag, those of what is absent, and the messages that JSON has
    inlined."""

    __slots__ = ("absent", "inlined", "least", "tags")

    def __init__(self, struct: Struct, name: str) -> None:
        numbers = numbers_of(name)
        if numbers is None:
            raise Unknown(name)
        known = {field.name: (number, field) for number, field in numbers.items() if not field.inlined}
        self.tags = {field: _tag(number) for field, (number, _) in known.items()}
        self.inlined = [(_tag(number), field.inlined) for number, field in numbers.items() if field.inlined]
        self.absent = {
            field: _field(shape, _EMPTY.get(shape.name), self.tags[field])
            for field, shape in struct.fields.items()
            if field in known and not known[field][1].optional and isinstance(shape, Scalar) and shape.name != "bytes"
        }
        self.least = sum(self.absent.values())


_made: dict[tuple[str, str], _Fields] = {}  # as many as the table has


def _fields(struct: Struct, name: str) -> _Fields:
    found = _made.get((struct.name, name))
    if found is None:
        found = _made[struct.name, name] = _Fields(struct, name)
    return found


def _message(struct: Struct, obj: Object, name: str) -> int:
    found = _fields(struct, name)
    total = found.least
    for field, value in obj.items():
        tag = found.tags.get(field)
        if tag is not None and value is not None and field in struct.fields:
            total += _field(struct.fields[field], value, tag) - found.absent.get(field, 0)
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
    return _framed(0, 0 if value is None else _framed(1, len(_encode(value))))


def _moment(value: str | None) -> int:
    """Seconds since 1970, and nanoseconds."""
    if value is None:
        return _framed(0, 0)
    moment = datetime.fromisoformat(value)
    return _framed(0, 1 + _varint(int(moment.timestamp())) + 1 + _varint(moment.microsecond * 1000))


def _int_or_string(value: int | str) -> int:
    number, text = (value, "") if isinstance(value, int) else (0, value)
    return _framed(0, 2 + 1 + _varint(number) + 1 + _text(text))


_EMPTY = {**ZERO, "time": None, "microtime": None, "any": None}
_SCALARS: dict[str, Callable[[Any], int]] = {
    "string": _text,
    "bytes": lambda value: _framed(0, len(value) // 4 * 3 - value.count("=")),
    "int32": _varint,
    "int64": _varint,
    "double": lambda value: 8,
    "boolean": lambda value: 1,
    "quantity": lambda value: _framed(0, 1 + _text(str(value))),
    "time": _moment,
    "microtime": _moment,
    "intstr": _int_or_string,
    "any": _any,
}
