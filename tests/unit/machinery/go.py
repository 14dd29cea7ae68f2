"""Objects as programs in Go send them: protobuf in which all that is no pointer is written, be it empty or not."""

from __future__ import annotations

import base64
import json
import struct as c_struct
from datetime import datetime
from typing import Any

from longboat.api import kinds
from longboat.machinery import messages
from longboat.machinery.kinds import Kind
from longboat.machinery.messages import Field
from longboat.machinery.objects import Object
from longboat.machinery.types import schema
from longboat.machinery.types.shapes import ZERO, List, Map, Scalar, Shape, Struct
from unit.registry.kinds.checks import STRATEGIES

# Those that are stored. The schemas of a CustomResourceDefinition have an encoding of their own.
SENDABLE = [s for s in STRATEGIES if s.stored and s.kind != kinds.CUSTOM_RESOURCE_DEFINITION]


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def field(number: int, value: bytes | int | float) -> bytes:
    if isinstance(value, float):
        return varint(number << 3 | 1) + c_struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(*parts: tuple[int, bytes | int | float]) -> bytes:
    return b"".join(field(number, value) for number, value in parts)


def body(kind: Kind, raw: bytes) -> bytes:
    head = message((1, kind.api_version.encode()), (2, kind.name.encode()))
    return b"k8s\x00" + message((1, head), (2, raw), (3, b""), (4, b""))


def encoded(kind: Kind, obj: Object) -> bytes:
    struct = schema.load().type(kind)
    assert struct is not None
    return body(kind, _message(struct, obj, struct.name))


def _message(struct: Struct, obj: Object, name: str) -> bytes:
    out = b""
    for number, each in sorted((messages.numbered(name) or {}).items()):
        if each.inlined:
            out += field(number, _message(struct, obj, each.inlined))
        else:
            out += _field(number, each, struct.fields[each.name], obj.get(each.name))
    return out


def _field(number: int, known: Field, shape: Shape, value: Any) -> bytes:
    if isinstance(shape, List):
        return b"".join(field(number, _value(shape.item, item)) for item in value or ())
    if isinstance(shape, Map):
        return b"".join(
            field(number, message((1, key.encode()), (2, _entry(shape.value, item))))
            for key, item in sorted((value or {}).items())
        )
    if (value is None and known.optional) or (not value and isinstance(shape, Scalar) and shape.name == "bytes"):
        return b""
    return field(number, _value(shape, value))


def _entry(shape: Shape, value: Any) -> Any:
    if isinstance(shape, List):
        return b"".join(field(1, _value(shape.item, item)) for item in value)
    return _value(shape, value)


def _value(shape: Shape, value: Any) -> Any:
    if isinstance(shape, Struct):
        return _message(shape, value or {}, shape.name)
    assert isinstance(shape, Scalar)
    if value is None:
        value = ZERO.get(shape.name)
    match shape.name:
        case "string":
            return value.encode()
        case "bytes":
            return base64.b64decode(value)
        case "int32" | "int64" | "boolean":
            return int(value)
        case "quantity":
            return message((1, str(value).encode()))
        case "intstr":
            number, text = (value, b"") if isinstance(value, int) else (0, value.encode())
            return message((1, int(isinstance(value, str))), (2, number), (3, text))
        case "double":
            return float(value)
        case "any":
            return (
                b""
                if value is None
                else message((1, json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()))
            )
    if value is None:
        return b""
    moment = datetime.fromisoformat(value)
    return message((1, int(moment.timestamp())), (2, moment.microsecond * 1000))
