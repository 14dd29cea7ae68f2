"""Schemas as types of variables: the structural ones of custom kinds, with how large a value may be, and the shapes of
built-in kinds (apiextensions, schema/cel; apiserver, pkg/cel/common)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from longboat.machinery.cel import types
from longboat.machinery.cel.effort import Whole
from longboat.machinery.cel.errors import EvalError
from longboat.machinery.cel.lib import times
from longboat.machinery.cel.program import Declared
from longboat.machinery.cel.types import Field, Struct, Type
from longboat.machinery.cel.values import MISSING, NONE, KeyedList, Optional, SetList
from longboat.machinery.objects import Object
from longboat.machinery.types import shapes
from longboat.machinery.types.structural import EMBEDDED, INT_OR_STRING, LIST_TYPE, MAP_KEYS, Structural

REQUEST = 3 << 20  # bytes of the largest request
_DURATION, _TIME, _DATE = 32, 32, 12  # the longest of each in JSON
_RESERVED = frozenset(
    (
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
        "let", "loop", "package", "namespace", "return", "var", "void", "while",
    )
)  # fmt: skip
_ESCAPED = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_TO_ESCAPE = re.compile(r"__|[^A-Za-z0-9_]")


def escaped(name: str) -> str | None:
    """How an expression names a property; None where it cannot."""
    if not name or name[0].isdigit():
        return None
    if name in _RESERVED:
        return f"__{name}__"
    if any(each not in _ESCAPED for each in _TO_ESCAPE.findall(name)):
        return None
    return _TO_ESCAPE.sub(lambda match: _ESCAPED[match[0]], name)


@dataclass(slots=True, eq=False)
class Decl:
    """What is known of a place in a schema. `most`: characters, bytes or items; `least`: bytes of it in JSON."""

    type: Type
    least: int
    most: int = 0
    item: Decl | None = None
    key: Decl | None = None
    fields: dict[str, Decl] = field(default_factory=dict)
    convert: Callable[[Any], Any] | None = None

    def size(self, path: tuple[str, ...]) -> int | None:
        """The most that is at a path below a variable of this type."""
        found: Decl | None = self
        for name in path[1:]:
            assert found is not None
            if name in ("@items", "@values"):
                found = found.item
            elif name == "@keys":
                found = found.key
            else:
                found = found.fields.get(name)
            if found is None:
                return None
        return found.most if found else None


def declared(schema: Object, name: str, root: bool = False) -> Declared | None:
    """The type of `self` where a rule stands; None where a schema does not say enough for rules.

    `root`: the whole object, or an embedded one: it has apiVersion, kind and metadata. `name` is that of its type.
    """
    found = decl(schema, name, root)
    return None if found is None else Declared(found.type, found.convert, found.size)


def optional(given: Declared) -> Declared:
    """`oldSelf` of a rule with optionalOldSelf: MISSING where there was nothing."""
    convert = given.convert

    def hold(value: Any) -> Optional:
        if value is MISSING:
            return NONE
        return Optional(value if convert is None else convert(value))

    return Declared(types.optional_of(given.type), hold, given.sizes)


def decl(schema: Object, name: str, root: bool = False) -> Decl | None:
    """As `declared`, with all below it."""
    if schema.get(INT_OR_STRING):
        longest = schema.get("maxLength")
        return Decl(types.DYN, 1, REQUEST - 2 if longest is None else max(0, longest) * 4)
    if root:
        schema = _whole(schema)
    match schema.get("type"):
        case "array":
            return _list(schema, name)
        case "object":
            return _object(schema, name)
        case "string":
            return _string(schema)
        case "boolean":
            return Decl(types.BOOL, 4)
        case "number":
            return Decl(types.DOUBLE, 1, convert=float)
        case "integer":
            return Decl(types.INT, 1, convert=int)
    return None


_STRING: Object = {"type": "string"}


def _whole(schema: Object) -> Object:
    meta = {"type": "object", "properties": {"name": _STRING, "generateName": _STRING}}
    return {
        **schema,
        "type": schema.get("type") or "object",
        "properties": {
            **(schema.get("properties") or {}), "kind": _STRING, "apiVersion": _STRING, "metadata": meta,
        },
    }  # fmt: skip


def _list(schema: Object, name: str) -> Decl | None:
    items = schema.get("items")
    if not items:
        return None
    item = decl(items, f"{name}.@idx", bool(items.get(EMBEDDED)))
    if item is None:
        return None
    most = schema.get("maxItems")
    count = (REQUEST - 2) // (item.least + 1) if most is None else max(0, most)
    return Decl(types.list_of(item.type), 2, count, item, convert=_ordered(schema, _each(item)))


def _ordered(schema: Object, convert: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """Lists whose items have no order are compared and joined otherwise."""
    match schema.get(LIST_TYPE):
        case "set":
            return Whole(lambda items: SetList(items if convert is None else convert(items)))
        case "map":
            keys = tuple(schema.get(MAP_KEYS) or ())
            return Whole(lambda items: KeyedList(items if convert is None else convert(items), keys))
    return convert


def _object(schema: Object, name: str) -> Decl | None:
    values = schema.get("additionalProperties")
    if isinstance(values, dict) and not schema.get("properties"):
        value = decl(values, f"{name}.@elem", bool(values.get(EMBEDDED)))
        if value is None:
            return None
        most = schema.get("maxProperties")
        count = (REQUEST - 2) // (value.least + 6) if most is None else max(0, most)
        made = types.map_of(types.STRING, value.type)
        return Decl(made, 2, count, value, Decl(types.STRING, 2), convert=_each_value(value))
    found: dict[str, Decl] = {}
    fields: dict[str, Field] = {}
    required = set(schema.get("required") or ())
    least = 2
    for key, about in (schema.get("properties") or {}).items():
        shown = escaped(key)
        inner = decl(about, f"{name}.{shown or key}", bool(about.get(EMBEDDED)))
        if inner is None:
            continue
        if shown is not None:
            found[shown] = inner
            fields[shown] = made_field = Field(inner.type, key, _nullable(inner.convert))
            if key in _RESERVED:
                fields[key] = made_field
        if key in required and about.get("default") is None:
            least += len(key.encode()) + inner.least + 4
    return Decl(Struct(name, fields), least, 0, fields=found)


def _string(schema: Object) -> Decl:
    longest = schema.get("maxLength")
    given = None if longest is None else max(0, longest)
    match schema.get("format"):
        case "byte":
            return Decl(types.BYTES, 2, REQUEST - 2 if given is None else given, convert=_BYTES)
        case "duration":
            return Decl(types.DURATION, 3, _DURATION, convert=_read(times.duration, "duration"))
        case "date":
            return Decl(types.TIMESTAMP, _DATE, _DATE, convert=_read(_day, "date"))
        case "date-time":
            return Decl(types.TIMESTAMP, 21, _TIME, convert=_read(_moment, "date-time"))
    if given is not None:
        return Decl(types.STRING, 2, given * 4)
    allowed = [each for each in schema.get("enum") or () if isinstance(each, str)]
    if schema.get("enum"):
        return Decl(types.STRING, 2, max((len(each.encode()) for each in allowed), default=0))
    return Decl(types.STRING, 2, REQUEST - 2)


# From JSON to values


def _nullable(convert: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    if convert is None or convert is int:
        return None  # an integer is one already, but for 1.0
    if isinstance(convert, Whole):
        return convert
    return lambda value: None if value is None else convert(value)


def _each(item: Decl) -> Callable[[Any], Any] | None:
    convert = _nullable(item.convert)
    if convert is None:
        return None
    each = convert
    return Whole(lambda items: [each(value) for value in items])


def _each_value(value: Decl) -> Callable[[Any], Any] | None:
    convert = _nullable(value.convert)
    if convert is None:
        return None
    each = convert
    return Whole(lambda mapping: {key: each(inner) for key, inner in mapping.items()})


def _read(read: Callable[[str], Any], what: str) -> Callable[[str], Any]:
    def convert(text: Any) -> Any:
        try:
            return read(text)
        except (ValueError, TypeError) as error:
            raise EvalError(f"Invalid {what} {text!r}") from error

    return convert


def _octets(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise EvalError("Invalid byte string") from error


_BYTES = Whole(_octets)


def _day(text: str) -> Any:
    return times.timestamp(f"{text}T00:00:00Z")


def _moment(text: str) -> Any:
    return times.timestamp(text.upper())


# Built-in kinds


_SCALARS: Mapping[str, Type] = {
    "string": types.STRING, "bytes": types.BYTES, "int32": types.INT, "int64": types.INT, "double": types.DOUBLE,
    "boolean": types.BOOL, "quantity": types.DYN, "intstr": types.DYN, "time": types.TIMESTAMP,
    "microtime": types.TIMESTAMP, "any": types.DYN,
}  # fmt: skip
_CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "bytes": _BYTES, "double": float, "time": _read(_moment, "date-time"), "microtime": _read(_moment, "date-time"),
}  # fmt: skip


class Shaped:
    """Types of built-in kinds, each put together once."""

    def __init__(self) -> None:
        self._made: dict[shapes.Struct, Struct] = {}  # those within custom kinds have no names that tell them apart

    def struct(self, shape: shapes.Struct) -> Struct:
        """The type of a kind. Types may name themselves: their fields are filled in after they are known."""
        found = self._made.get(shape)
        if found is None:
            fields: dict[str, Field] = {}
            name = f"{shape.name}.{len(self._made)}" if isinstance(shape, Structural) else shape.name
            found = self._made[shape] = Struct(name, fields)
            for key, inner in shape.fields.items():
                shown = escaped(key)
                if shown is None:
                    continue
                type_, convert = self._of(inner)
                fields[shown] = fields[key] = Field(type_, key, _nullable(convert))
        return found

    def _of(self, shape: shapes.Shape) -> tuple[Type, Callable[[Any], Any] | None]:
        match shape:
            case shapes.Scalar():
                return _SCALARS[shape.name], _CONVERT.get(shape.name)
            case shapes.Struct():
                return self.struct(shape), None
            case shapes.List():
                type_, convert = self._of(shape.item)
                ordered: Object = {LIST_TYPE: shape.kind, MAP_KEYS: shape.keys}
                return types.list_of(type_), _ordered(ordered, _each(Decl(type_, 0, convert=convert)))
        type_, convert = self._of(shape.value)
        return types.map_of(types.STRING, type_), _each_value(Decl(type_, 0, convert=convert))
