"""Brings an object into the shape of its structural schema: prunes what the schema does not have, drops nulls that it
does not allow, puts in defaults, and sorts the fields.

Values of a wrong type stay: the rules refuse them. Only metadata is read as the build's type, and must fit.
"""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.machinery.objects import Object
from longboat.machinery.text import in_order
from longboat.machinery.types import check, strict
from longboat.machinery.types.shapes import ANY, List, Map, Shape, Struct
from longboat.machinery.types.structural import EMPTY, Structural
from longboat.machinery.types.wording import Mistake

MOST_DEFAULTS = 3 << 20  # bytes that defaults may add to one object: more than can be stored
HEAD = ("kind", "apiVersion", "metadata")  # what every object begins with

_decode = msgspec.json.Decoder().decode


def settle(shape: Structural, value: Object, *, defaults: bool = True) -> tuple[Object, list[str]]:
    """The object, and the paths of the fields that its type does not have, in upstream's order.

    Raises Mistake, for metadata that is not of its type, and for defaults without end.
    """
    walk = _Walk(defaults)
    found = walk.struct(shape, value, "")
    meta = value.get("metadata")
    unknown = [path for path in walk.metadata if path.startswith("metadata.") and meta is not None]
    embedded = [path for path in walk.metadata if not path.startswith("metadata.")]
    paths = (unknown + sorted(walk.pruned) + embedded)[: strict.MOST]
    head = {name: found[name] for name in HEAD if name in found}
    return head | {name: member for name, member in found.items() if name not in head}, paths


class _Walk:
    def __init__(self, defaults: bool) -> None:
        self._defaults = defaults
        self.pruned: list[str] = []
        self.metadata: list[str] = []  # fields that ObjectMeta does not have
        self._room = MOST_DEFAULTS

    def _any(self, shape: Shape, value: Any, path: str) -> Any:
        kind = type(value)
        if kind is dict:
            if shape is ANY:
                return check.sorted_deeply(value)
            if isinstance(shape, Map):
                return self._map(shape, value, path)
            return self.struct(shape if isinstance(shape, Structural) else EMPTY, value, path)
        if kind is list:
            if shape is ANY:
                return check.sorted_deeply(value)
            return self._list(shape if isinstance(shape, List) else List(EMPTY), value, path)
        if kind is float and value.is_integer() and abs(value) < 1e21:
            return int(value)  # Go writes no point where there is no fraction
        return value

    def struct(self, shape: Structural, value: Object, path: str) -> Object:
        fields, nullable, found = shape.fields, shape.nullable, {}
        for name in in_order(value):
            member, here = value[name], f"{path}.{name}" if path else name
            known = fields.get(name)
            if known is None:
                if shape.preserves:
                    found[name] = check.sorted_deeply(member)
                else:
                    self._note(self.pruned, here)
            elif member is None and name not in nullable:
                continue
            elif isinstance(known, Struct) and not isinstance(known, Structural):
                found[name] = self._meta(known, member, path, here)
            else:
                found[name] = self._any(known, member, here)
        absent = [name for name in shape.defaults if name not in found] if self._defaults else ()
        for name in absent:
            found[name] = self._any(fields[name], self._copy(shape.defaults[name]), f"{path}.{name}" if path else name)
        return {name: found[name] for name in in_order(found)} if absent else found

    def _map(self, shape: Map, value: Object, path: str) -> Object:
        found = {}
        for name in in_order(value):
            member = value[name]
            if member is None and not shape.nullable:
                if not shape.default:
                    continue
                member = self._copy(shape.default)
            found[name] = self._any(shape.value, member, f"{path}.{name}")
        return found

    def _list(self, shape: List, value: list[Any], path: str) -> list[Any]:
        return [
            self._any(
                shape.item,
                self._copy(shape.default) if member is None and shape.default and not shape.nullable else member,
                f"{path}[{i}]",
            )
            for i, member in enumerate(value)
        ]

    def _meta(self, shape: Struct, value: Any, path: str, here: str) -> Object:
        """At the root in the decoder's words, elsewhere with the place."""
        try:
            found = check.struct(shape, value)
        except Mistake as error:
            raise Mistake(f"{here}: Invalid value: {error}") if path else error from error
        for problem in strict.problems(shape, value):
            self._note(self.metadata, f"{here}.{problem.split(chr(34), 2)[1]}")
        return found

    def _note(self, where: list[str], path: str) -> None:
        if len(where) < strict.MOST:
            where.append(path)

    def _copy(self, default: bytes) -> Any:
        self._room -= len(default)
        if self._room < 0:
            raise Mistake(f"its schema's defaults make more than {MOST_DEFAULTS} bytes of it")
        return _decode(default)
