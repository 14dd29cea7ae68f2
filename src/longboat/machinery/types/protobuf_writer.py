"""Kubernetes' protobuf encoding of objects, byte for byte as Go's generated code writes it: JSON values to bytes.

What is no pointer in Go is written though it is absent, fields in the order of their numbers, maps in that of their
keys. A message is put together once, as a list of what is written of an object without fields; writing an object
replaces what it has. The reader is `protobuf.py`; `protobuf_size.py` counts the same bytes without making them.
"""

from __future__ import annotations

import base64
import struct as c_struct
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from longboat.machinery.messages import Field, numbered
from longboat.machinery.objects import Object
from longboat.machinery.types.protobuf import EPOCH, MAGIC, Unknown
from longboat.machinery.types.shapes import ZERO, List, Map, Scalar, Shape, Struct

Put: TypeAlias = Callable[[Any], bytes]
"""From a value to its field: tag, length and all."""

END = b"\x1a\x00\x22\x00"  # of an envelope: no content encoding, no content type
RAW = b"\x12"  # the tag of what an envelope holds, and of a list's items
METADATA = b"\x0a"  # the tag of an object's metadata, and of a list's

_encode = msgspec.json.Encoder().encode
_SHORT = tuple(bytes((length,)) for length in range(128))
_SPELLED = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"),
            ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))  # fmt: skip


class Writer:
    """Writes objects of one type. Raises Unknown where there is no table for its message."""

    __slots__ = ("_absent", "_inlined", "_slots")

    def __init__(self, struct: Struct, name: str = "") -> None:
        """`name`: of a message whose fields are the struct's in JSON."""
        numbers = numbered(name or struct.name)
        if numbers is None:
            raise Unknown(name or struct.name)
        self._absent: list[bytes] = []
        self._slots: dict[str, tuple[int, Put]] = {}
        self._inlined: list[tuple[int, bytes, Writer]] = []
        for number, field in sorted(numbers.items()):
            tag, at = tag_of(number), len(self._absent)
            if field.inlined:
                inner = Writer(struct, field.inlined)
                self._inlined.append((at, tag, inner))
                self._absent.append(framed(tag, inner.write({})))
            elif (shape := struct.fields.get(field.name)) is not None:
                put = _put(field, number, shape, struct)
                self._slots[field.name] = at, put
                self._absent.append(_absent(field, number, shape, put))

    def write(self, obj: Mapping[str, Any]) -> bytes:
        """The message of a JSON object. Fields that the message does not have are passed over."""
        parts = self._absent.copy()
        slot_of = self._slots.get
        for name, value in obj.items():
            if value is not None and (slot := slot_of(name)) is not None:
                at, put = slot
                parts[at] = put(value)
        if self._inlined:
            for at, tag, inner in self._inlined:
                parts[at] = framed(tag, inner.write(obj))
        return b"".join(parts)


_made: dict[str, Writer] = {}  # as many as the table has


def writer(struct: Struct) -> Writer:
    """Raises Unknown."""
    found = _made.get(struct.name)
    if found is None:
        found = _made[struct.name] = Writer(struct)
    return found


def encode(struct: Struct, obj: Object) -> bytes:
    """An object in its envelope, as it is sent. Raises Unknown."""
    head = envelope(obj.get("apiVersion") or "", obj.get("kind") or "")
    return head + framed(RAW, writer(struct).write(obj)) + END


def envelope(api_version: str, kind: str) -> bytes:
    """The beginning of one; what it holds (`RAW`) and `END` follow."""
    head = framed(b"\x0a", api_version.encode()) + framed(b"\x12", kind.encode())
    return MAGIC + framed(b"\x0a", head)


def varint(value: int) -> bytes:
    """Of 64 bits; negative numbers take ten bytes."""
    if 0 <= value < 128:
        return _SHORT[value]
    if 128 <= value < 16384:
        return bytes((value & 0x7F | 0x80, value >> 7))
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def framed(tag: bytes, data: bytes) -> bytes:
    """Something with its length in front."""
    length = len(data)
    return tag + (_SHORT[length] if length < 128 else varint(length)) + data


def tag_of(number: int, wire: int = 2) -> bytes:
    return varint(number << 3 | wire)


def _absent(field: Field, number: int, shape: Shape, put: Put) -> bytes:
    if field.optional or isinstance(shape, (List, Map)):
        return b""
    if isinstance(shape, Struct):
        return framed(tag_of(number), writer(shape).write({}))
    if shape.name == "bytes":
        return b""
    zero = ZERO.get(shape.name)
    return framed(tag_of(number), b"") if zero is None else put(zero)


def _put(field: Field, number: int, shape: Shape, struct: Struct) -> Put:
    """How a field of a message of `struct` is written."""
    if field.other:
        made = _schema_or(field.other, struct)
        if not isinstance(shape, Map):
            return lambda value: framed(tag_of(number), made(value))
        return _entries(number, lambda value: framed(RAW, made(value)))
    if isinstance(shape, List):
        item = _one(number, shape.item)
        return lambda values: b"".join(map(item, values))
    if isinstance(shape, Map):
        return _entries(number, _entry(shape.value))
    return _one(number, shape)


def _entry(shape: Shape) -> Put:
    """A map's value. A list is wrapped in a message of its own (ExtraValue)."""
    if not isinstance(shape, List):
        return _one(2, shape)
    item = _one(1, shape.item)
    return lambda values: framed(RAW, b"".join(map(item, values)))


def _entries(number: int, put: Put) -> Put:
    tag, key_of = tag_of(number), _string(b"\x0a")

    def entries(found: Mapping[str, Any]) -> bytes:
        return b"".join([framed(tag, key_of(key) + put(found[key])) for key in sorted(found)])

    return entries


def _string(tag: bytes) -> Put:
    """Most of what objects have."""
    short = tuple(tag + length for length in _SHORT)

    def string(value: str) -> bytes:
        data = value.encode("utf-8", "replace")
        length = len(data)
        return short[length] + data if length < 128 else tag + varint(length) + data

    return string


def _one(number: int, shape: Shape) -> Put:
    """A value that is neither a list nor a map."""
    if isinstance(shape, Struct):
        return _message(tag_of(number), shape)
    assert isinstance(shape, Scalar)
    if shape.name == "string":
        return _string(tag_of(number))
    if shape.name == "boolean":
        no, yes = (tag_of(number, 0) + value for value in (b"\x00", b"\x01"))
        return lambda value: yes if value else no
    if shape.name in _NUMBERS:
        wire, raw = _NUMBERS[shape.name]
        number_tag = tag_of(number, wire)
        return lambda value: number_tag + raw(value)
    tag, made = tag_of(number), _SCALARS[shape.name]

    def scalar(value: Any) -> bytes:
        data = made(value)
        length = len(data)
        return tag + (_SHORT[length] if length < 128 else varint(length)) + data

    return scalar


def _message(tag: bytes, struct: Struct) -> Put:
    made: Writer | None = None  # looked for when it is first needed: schemas are made of schemas

    def message(value: Mapping[str, Any]) -> bytes:
        nonlocal made
        if made is None:
            made = writer(struct)
        data = made.write(value)
        length = len(data)
        return tag + (_SHORT[length] if length < 128 else varint(length)) + data

    return message


def _schema_or(other: str, struct: Struct) -> Put:
    """The message of a JSONSchemaPropsOr…, whose JSON is one or the other. `struct` is that of JSONSchemaProps. What is
    neither says nothing here: one odd definition must not hide the others."""
    first, second = _message(b"\x0a", struct), _message(b"\x12", struct)

    def or_bool(value: Any) -> bytes:
        return b"\x08\x01" + second(value) if isinstance(value, dict) else b"\x08\x01" if value else b"\x08\x00"

    def or_list(value: Any) -> bytes:
        if isinstance(value, dict):
            return first(value)
        return b"".join([item(each) for each in value if isinstance(each, holds)]) if isinstance(value, list) else b""

    item, holds = (second, dict) if other == "Array" else (_string(b"\x12"), str)
    return or_bool if other == "Bool" else or_list


def _text(value: str) -> bytes:
    return value.encode("utf-8", "replace")


def _any(value: Any) -> bytes:
    """JSON in a message, spelled as Go spells it: its clients compare the bytes."""
    raw = _encode(value)
    for sign, spelled in _SPELLED:
        if sign in raw:
            raw = raw.replace(sign, spelled)
    return framed(b"\x0a", raw)


@lru_cache(maxsize=1024)  # an object has the same few several times, and so have those made with it
def _time(value: str) -> bytes:
    """Whole seconds since 1970."""
    return b"\x08%b\x10\x00" % varint((datetime.fromisoformat(value) - EPOCH) // _SECOND)


def _micro_time(value: str) -> bytes:
    moment = datetime.fromisoformat(value)
    return b"\x08%b\x10%b" % (varint((moment - EPOCH) // _SECOND), varint(moment.microsecond * 1000))


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, int):
        return b"\x08\x00\x10%b\x1a\x00" % varint(value)
    return b"\x08\x01\x10\x00" + framed(b"\x1a", _text(value))


_SECOND = EPOCH.replace(second=1) - EPOCH
_NUMBERS: dict[str, tuple[int, Put]] = {
    "int32": (0, varint),
    "int64": (0, varint),
    "double": (1, c_struct.Struct("<d").pack),
}
_SCALARS: dict[str, Put] = {
    "bytes": base64.b64decode,
    "quantity": lambda value: framed(b"\x0a", _text(str(value))),
    "time": _time,
    "microtime": _micro_time,
    "intstr": _int_or_string,
    "any": _any,
}
