"""A structural schema (the openAPIV3Schema of a CustomResourceDefinition's version) as the shape of a type.

The shape says which fields there are, which of them may be null, and what is put in where nothing is. Which values hold
is for `rules`, made of the same schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from longboat.machinery.objects import Object
from longboat.machinery.types.shapes import ANY, SCALARS, List, Map, Shape, Struct

PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
INT_OR_STRING = "x-kubernetes-int-or-string"
LIST_TYPE, MAP_KEYS, MAP_TYPE = "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"
DEEPEST = 100  # schemas within schemas: no body that is read has more

_SCALARS = {"string": "string", "integer": "int64", "number": "double", "boolean": "boolean"}
_encode = msgspec.json.Encoder().encode


class TooDeep(ValueError):
    """A schema with more levels than `DEEPEST`."""


@dataclass(slots=True, eq=False)
class Structural(Struct):
    """An object of a structural schema. A value that is of another type is left as it is: its rules refuse it."""

    preserves: bool = False  # what is no field stays as it is
    resource: bool = False  # the root, or an embedded resource: has apiVersion, kind and metadata
    defaults: dict[str, bytes] = field(default_factory=dict)  # JSON, by field
    nullable: frozenset[str] = frozenset()


EMPTY = Structural("")  # where a schema says nothing: scalars stay, objects lose all they have


def compile_shape(name: str, schema: Object, meta: Struct) -> Structural:
    """The shape of a kind's objects. `meta` is that of ObjectMeta, `name` that of the kind's definition.

    Raises TooDeep.
    """
    return _Compiler(name, meta).struct(schema | {EMBEDDED: True}, False, 0)


class _Compiler:
    def __init__(self, name: str, meta: Struct) -> None:
        self._name = name
        self._meta = meta

    def _shape(self, schema: Object, preserved: bool, depth: int) -> Shape:
        if depth > DEEPEST:
            raise TooDeep(f"more than {DEEPEST} schemas within each other")
        kind, preserves = schema.get("type") or "", preserved or bool(schema.get(PRESERVE))
        if schema.get(INT_OR_STRING):
            return SCALARS["intstr"]
        if kind in ("object", "") and (schema.get("properties") or schema.get(EMBEDDED)):
            return self.struct(schema, preserves, depth)
        if kind in ("object", "") and schema.get("additionalProperties") is not None:
            value = schema["additionalProperties"]
            about = value if isinstance(value, dict) else {}
            shape = self._shape(about, False, depth + 1) if about else EMPTY
            whole = schema.get(MAP_TYPE) == "atomic"
            return Map(shape, bool(about.get("nullable")), _default(about), atomic=whole)
        if kind == "array" or (not kind and schema.get("items")):
            items = schema.get("items") or {}
            return List(
                self._shape(items, preserves, depth + 1),
                schema.get(LIST_TYPE) or "",
                tuple(schema.get(MAP_KEYS) or ()),
                nullable=bool(items.get("nullable")),
                default=_default(items),
            )
        if kind == "object":
            return self.struct(schema, preserves, depth)
        if kind in _SCALARS:
            return SCALARS[_SCALARS[kind]]
        return ANY if preserves else EMPTY

    def struct(self, schema: Object, preserves: bool, depth: int) -> Structural:
        properties: dict[str, Object] = schema.get("properties") or {}
        found = Structural(
            self._name,
            atomic=schema.get(MAP_TYPE) == "atomic",
            preserves=preserves or bool(schema.get(PRESERVE)),
            resource=bool(schema.get(EMBEDDED)),
            nullable=frozenset(name for name, about in properties.items() if about.get("nullable")),
        )
        for name in sorted(properties):
            found.fields[name] = self._shape(properties[name], False, depth + 1)
            if default := _default(properties[name]):
                found.defaults[name] = default
        if found.resource:
            found.fields.update(kind=SCALARS["string"], apiVersion=SCALARS["string"], metadata=self._meta)
            found.nullable -= {"kind", "apiVersion", "metadata"}
        found.order.update((name, rank) for rank, name in enumerate(found.fields))
        return found


def _default(schema: Object) -> bytes:
    value: Any = schema.get("default")
    return b"" if value is None else _encode(value)
