"""Kubernetes' protobuf encoding of objects (apimachinery, runtime/serializer/protobuf): bytes to JSON values.

Clients in Go send typed objects this way. `protobuf_writer.py` writes what they are answered.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from longboat.machinery import messages, text
from longboat.machinery.messages import Field
from longboat.machinery.objects import Object, micro_timestamp, timestamp
from longboat.machinery.types.shapes import List, Map, Scalar, Shape, Struct

MAGIC = b"k8s\x00"
MAX_DEPTH = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Malformed(Exception):
    """The bytes are not such a message."""


class Unknown(Exception):
    """There is no table for this message."""


def envelope(data: bytes) -> tuple[str, str, bytes]:
    """apiVersion, kind and the message inside a runtime.Unknown. Raises Malformed."""
    if not data.startswith(MAGIC):
        raise Malformed("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    version = kind = ""
    raw = b""
    for number, value in fields(data[len(MAGIC) :]):
        if number == 1:
            for inner, part in fields(_bytes(value)):
                if inner == 1:
                    version = _text(part)
                elif inner == 2:
                    kind = _text(part)
        elif number == 2:
            raw = _bytes(value)
    return version, kind, raw


def decode(struct: Struct, message: bytes) -> Object:
    """The JSON object of a message, with all that Go wrote though it is empty. Fields that are not known are passed
    over, as everywhere in protobuf. Raises Malformed, Unknown."""
    return _Decoder().message(struct, message, 0)


class _Decoder:
    def __init__(self) -> None:
        self._compounds = 0
        self._free = 0  # how many of the messages being read are free-form JSON to the schema: nobody will clean them

    def message(self, struct: Struct, data: bytes, depth: int, inlined_as: str = "") -> Object:
        """`inlined_as`: the message's own type, where its fields are the struct's in JSON."""
        if depth > MAX_DEPTH:
            raise Malformed("nested too deeply")
        self._count()
        numbers = messages.numbered(inlined_as or struct.name)
        if numbers is None:
            raise Unknown(inlined_as or struct.name)
        out: Object = {}
        for number, value in fields(data):
            field = numbers.get(number)
            if field is not None and field.inlined:
                out.update(self.message(struct, _bytes(value), depth + 1, field.inlined))
            elif field is not None and field.name in struct.fields:
                self._put(out, field, struct, value, depth)
        if self._free:
            return {name: value for name, value in out.items() if value or name not in struct.dropped}
        return out

    def _count(self) -> None:
        self._compounds += 1
        if self._compounds > text.MAX_COMPOUNDS:
            raise Malformed(text.TOO_MANY)

    def _counted(self, numbers: Iterator[int]) -> Iterator[int]:
        for number in numbers:
            self._count()
            yield number

    def _put(self, out: Object, field: Field, struct: Struct, value: bytes | int, depth: int) -> None:
        name, shape = field.name, struct.fields[field.name]
        if isinstance(shape, List):
            items = out.setdefault(name, [])
            if isinstance(shape.item, Scalar) and shape.item.name in ("int32", "int64") and isinstance(value, bytes):
                items.extend(self._counted(_signed(number) for number in _packed(value)))
            else:
                items.append(self._value(shape.item, value, depth))
        elif isinstance(shape, Map):
            self._entry(out.setdefault(name, {}), field, struct, shape, value, depth)
        elif field.other:
            out[name] = self._schema_or(field.other, struct, value, depth)
        else:
            out[name] = self._value(shape, value, depth)

    def _entry(self, out: Object, field: Field, struct: Struct, shape: Map, data: bytes | int, depth: int) -> None:
        """One entry of a map."""
        key = ""
        value: bytes | int = b""
        for number, part in fields(_bytes(data)):
            if number == 1:
                key = _text(part)
            else:
                value = part
        if isinstance(shape.value, List):  # a map of lists wraps each list in a message (ExtraValue)
            out[key] = [self._value(shape.value.item, item, depth) for _, item in fields(_bytes(value))]
        elif field.other:
            out[key] = self._schema_or(field.other, struct, value, depth)
        else:
            out[key] = self._value(shape.value, value, depth)

    def _schema_or(self, other: str, struct: Struct, data: bytes | int, depth: int) -> Any:
        """A JSONSchemaPropsOr…, as its MarshalJSON writes it. `struct` is that of JSONSchemaProps."""
        self._free += 1
        try:
            return self._either(other, struct, data, depth)
        finally:
            self._free -= 1

    def _either(self, other: str, struct: Struct, data: bytes | int, depth: int) -> Any:
        schema, allows = None, False
        items: list[Any] = []
        for number, value in fields(_bytes(data)):
            if other == "Bool" and number == 1:
                allows = bool(_signed(value))
            elif number == 1 or other == "Bool":
                schema = self.message(struct, _bytes(value), depth + 1)
            elif other == "Array":
                items.append(self.message(struct, _bytes(value), depth + 1))
            else:
                items.append(_text(value))
        return items or (allows if other == "Bool" and schema is None else schema)

    def _value(self, shape: Shape, value: bytes | int, depth: int) -> Any:
        if isinstance(shape, Struct):
            return self.message(shape, _bytes(value), depth + 1)
        if isinstance(shape, Scalar):
            return SCALARS[shape.name](value)
        raise Malformed("a list within a list")


def fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message: number, and an integer or bytes. Raises Malformed."""
    at, end = 0, len(data)
    while at < end:
        tag, at = number_at(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = number_at(data, at)
            yield number, value
        elif wire == 2:
            length, at = number_at(data, at)
            if at + length > end:
                raise Malformed("unexpected EOF")
            yield number, data[at : at + length]
            at += length
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
            if at + length > end:
                raise Malformed("unexpected EOF")
            yield number, data[at : at + length]
            at += length
        else:
            raise Malformed(f"proto: illegal wireType {wire}")


def number_at(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends. Raises Malformed."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _packed(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = number_at(data, at)
        yield value


def _signed(value: bytes | int) -> int:
    if not isinstance(value, int):
        raise Malformed("wrong wireType for a number")
    return value - (1 << 64) if value >= 1 << 63 else value


def _bytes(value: bytes | int) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed("wrong wireType for bytes")
    return value


def _text(value: bytes | int) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError:
        raise Malformed("a string is not UTF-8") from None


def _first(value: bytes | int) -> dict[int, bytes | int]:
    return dict(fields(_bytes(value)))


def _time(value: bytes | int) -> str | None:
    found = _first(value)
    return timestamp(_moment(found)) if found else None


def _micro_time(value: bytes | int) -> str | None:
    found = _first(value)
    return micro_timestamp(_moment(found)) if found else None


def _moment(found: dict[int, bytes | int]) -> datetime:
    """Seconds and nanoseconds since 1970. Raises Malformed."""
    try:
        return EPOCH + timedelta(seconds=_signed(found.get(1, 0)), microseconds=_signed(found.get(2, 0)) // 1000)
    except OverflowError:
        raise Malformed("a time is out of range") from None


def _int_or_string(value: bytes | int) -> int | str:
    found = _first(value)
    return _text(found.get(3, b"")) if found.get(1) else _signed(found.get(2, 0))


def _any(value: bytes | int) -> Any:
    """RawExtension, JSON and FieldsV1 carry JSON text in their first field."""
    raw = _bytes(_first(value).get(1, b""))
    try:
        return text.decode_json(raw) if raw else None
    except text.Malformed as error:
        raise Malformed(f"embedded JSON: {error}") from error


def _double(value: bytes | int) -> float:
    import struct

    raw = _bytes(value)
    if len(raw) != 8:
        raise Malformed("wrong wireType for a double")
    return float(struct.unpack("<d", raw)[0])


SCALARS: dict[str, Callable[[bytes | int], Any]] = {
    "string": _text,
    "bytes": lambda value: base64.b64encode(_bytes(value)).decode(),
    "int32": _signed,
    "int64": _signed,
    "double": _double,
    "boolean": lambda value: bool(_signed(value)),
    "quantity": lambda value: _text(_first(value).get(1, b"")) or "0",
    "time": _time,
    "microtime": _micro_time,
    "intstr": _int_or_string,
    "any": _any,
}
