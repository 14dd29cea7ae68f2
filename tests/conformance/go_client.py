"""Bodies as upstream's own suite sends them: its typed Go clients write protobuf, and in it what is empty too.

Patches, and kinds and values that no Go type can hold, are sent as JSON, as its dynamic clients do.
"""

from __future__ import annotations

import base64
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from longboat.machinery import messages
from longboat.machinery.kinds import Kind
from longboat.machinery.messages import Field
from longboat.machinery.objects import Object
from longboat.machinery.types import schema
from longboat.machinery.types.protobuf import MAGIC
from longboat.machinery.types.shapes import List, Map, Scalar, Shape, Struct
from unit.machinery.go import field

JSON, PROTOBUF = "application/json", "application/vnd.kubernetes.protobuf"
_load = lru_cache(maxsize=1)(schema.load)


class Unsendable(Exception):
    """No Go type has this."""


def as_sent(method: str, body: bytes | None, content_type: str = JSON) -> tuple[bytes | None, str]:
    """The body and its content type."""
    if body is None or content_type != JSON or method not in ("POST", "PUT", "DELETE"):
        return body, content_type
    obj = msgspec.json.decode(body)
    try:
        return encoded(obj), PROTOBUF
    except Unsendable:
        return body, content_type


def encoded(obj: Object) -> bytes:
    """Raises Unsendable."""
    group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
    kind = Kind(group, version, str(obj.get("kind", "")), "")
    shape = _load().type(kind) if kind.name and version else None
    if shape is None or messages.numbered(shape.name) is None:
        raise Unsendable(kind)
    try:
        raw = _message(shape, {name: value for name, value in obj.items() if name not in ("kind", "apiVersion")})
    except (ValueError, TypeError, AttributeError) as error:
        raise Unsendable(kind) from error
    head = field(1, kind.api_version.encode()) + field(2, kind.name.encode())
    return MAGIC + field(1, head) + field(2, raw) + field(3, b"") + field(4, b"")


def _message(of: Struct, obj: Object, inlined: str = "") -> bytes:
    numbers = messages.numbered(inlined or of.name)
    if numbers is None:
        raise Unsendable(f"no numbers of {of.name}")
    if not inlined and (strange := obj.keys() - (messages.named(of.name) or {}).keys()):
        raise Unsendable(f"{of.name} has no {strange}")
    out = b""
    for number, each in sorted(numbers.items()):
        if each.inlined:
            out += field(number, _message(of, obj, each.inlined))
        elif each.other:
            if each.name in obj:
                raise Unsendable(f"a schema or {each.other}")
        elif each.name in of.fields:
            out += _member(number, each, of.fields[each.name], obj.get(each.name))
    return out


def _member(number: int, known: Field, shape: Shape, value: Any) -> bytes:
    if isinstance(shape, List):
        return b"".join(field(number, _value(shape.item, item)) for item in value or ())
    if isinstance(shape, Map):
        return b"".join(field(number, _entry(shape, key, item)) for key, item in (value or {}).items())
    if value is not None:
        return field(number, _value(shape, value))
    if known.optional:
        return b""
    if isinstance(shape, Struct):
        return field(number, _message(shape, {}))
    return field(number, NOTHING[shape.name]) if shape.name in NOTHING else b""


def _entry(shape: Map, key: str, item: Any) -> bytes:
    if isinstance(shape.value, List):  # each list has a message of its own
        return field(1, key.encode()) + field(2, b"".join(field(1, _value(shape.value.item, each)) for each in item))
    return field(1, key.encode()) + field(2, _value(shape.value, item))


NOTHING: dict[str, bytes | int] = {"string": b"", "int32": 0, "int64": 0, "boolean": 0, "time": b""}


def _value(shape: Shape, value: Any) -> bytes | int | float:
    if isinstance(shape, Struct):
        return _message(shape, value)
    if not isinstance(shape, Scalar):
        raise Unsendable("a list within a list")
    match shape.name:
        case "string":
            return str(_is(value, str)).encode()
        case "bytes":
            return base64.b64decode(value, validate=True)
        case "int32" | "int64":
            return int(_is(value, int))
        case "boolean":
            return int(_is(value, bool))
        case "double":
            return float(value)
        case "quantity":
            return field(1, str(value).encode())
        case "time" | "microtime":
            return _moment(value)
        case "intstr":
            text = isinstance(value, str)
            return field(1, int(text)) + field(2, 0 if text else value) + field(3, value.encode() if text else b"")
    return field(1, msgspec.json.encode(value))


def _is(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise Unsendable(f"{value!r} is no {kind.__name__}")
    return value


def _moment(text: str) -> bytes:
    moment = datetime.fromisoformat(text)
    return field(1, int(moment.replace(microsecond=0).timestamp())) + field(2, moment.microsecond * 1000)
