"""How a type merges: which parts of a value are owned one by one, and which only as a whole.

A grain is what server-side apply has to know of a shape, put together once and kept with it. Sources:
x-kubernetes-list-type, -list-map-keys and -map-type of the API's types; of free-form JSON within custom kinds objects
are taken apart, and lists are whole; in the build's kinds it is one value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from longboat.machinery.types.shapes import List, Map, Scalar, Shape, Struct
from longboat.machinery.types.structural import Structural

SCALAR, MAP, LIST, FREE = "scalar", "map", "list", "free"
SET, KEYED = "set", "map"

# Keys of the build's lists that may be left out, and what then stands for them (the types' `+default`).
_KEY_DEFAULTS: dict[str, dict[str, Any]] = {
    "ContainerPort": {"protocol": "TCP"},
    "ServicePort": {"protocol": "TCP"},
    "LocalObjectReference": {"name": ""},
}
_KINDS_OF_SCALARS = {
    "string": "string", "bytes": "string", "int32": "numeric", "int64": "numeric", "double": "numeric",
    "boolean": "boolean",
}  # fmt: skip


@dataclass(slots=True, eq=False)
class Grain:
    """`form` says what there is to look at: a scalar's `says`; a map's `fields`, and `value` for keys that are no
    fields (None: there are no others); a list's `item`, with `relation` and `keys` where it is not atomic."""

    form: str
    atomic: bool = False
    says: str = ""  # numeric, string, boolean, or "" for anything
    fields: dict[str, Grain] = field(default_factory=dict)
    nulls: frozenset[str] = frozenset()  # fields that are there, as null, where they are not
    value: Grain | None = None
    item: Grain | None = None
    relation: str = ""
    keys: tuple[str, ...] = ()
    defaults: dict[str, Any] = field(default_factory=dict)  # of keys


ANYTHING = Grain(SCALAR, atomic=True)
DEDUCED = Grain(FREE)


def of(struct: Struct) -> Grain:
    """The grain of a kind's type; made once."""
    found: Grain | None = struct.grain
    return found if found is not None else _Maker().root(struct)


class _Maker:
    def __init__(self) -> None:
        self._begun: dict[Struct, Grain] = {}

    def root(self, struct: Struct) -> Grain:
        found = self._struct(struct)
        for each, grain in self._begun.items():  # all of them are whole now
            each.grain = grain
        return found

    def _of(self, shape: Shape, *, custom: bool) -> Grain:
        if isinstance(shape, Scalar):
            if shape.name == "any":
                return DEDUCED if custom else ANYTHING
            return Grain(SCALAR, atomic=True, says=_KINDS_OF_SCALARS.get(shape.name, ""))
        if isinstance(shape, List):
            return self._list(shape, custom=custom)
        if isinstance(shape, Map):
            return Grain(MAP, atomic=shape.atomic, value=self._of(shape.value, custom=custom))
        return self._struct(shape)

    def _list(self, shape: List, *, custom: bool) -> Grain:
        item = self._of(shape.item, custom=custom)
        if shape.kind not in (SET, KEYED):
            return Grain(LIST, atomic=True, item=item)
        return Grain(LIST, item=item, relation=shape.kind, keys=shape.keys, defaults=_defaults(shape))

    def _struct(self, struct: Struct) -> Grain:
        known = struct.grain or self._begun.get(struct)
        if known is not None:
            return known
        custom = isinstance(struct, Structural)
        found = self._begun[struct] = Grain(MAP, atomic=struct.atomic, nulls=struct.nulls)
        for name, shape in struct.fields.items():
            grain = self._of(shape, custom=custom)
            found.fields[name] = _whole(grain) if name in struct.whole else grain
        if isinstance(struct, Structural) and struct.preserves:
            if struct.fields or struct.atomic:
                found.value = DEDUCED
            else:
                found.form = FREE
        return found


def _whole(grain: Grain) -> Grain:
    return Grain(
        grain.form, True, grain.says, grain.fields, grain.nulls, grain.value, grain.item, grain.relation, grain.keys,
        grain.defaults,
    )  # fmt: skip


def _defaults(shape: List) -> dict[str, Any]:
    item = shape.item
    if isinstance(item, Structural):
        return {key: msgspec.json.decode(item.defaults[key]) for key in shape.keys if key in item.defaults}
    return _KEY_DEFAULTS.get(item.short, {}) if isinstance(item, Struct) else {}
