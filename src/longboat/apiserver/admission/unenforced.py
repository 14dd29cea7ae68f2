"""Admission that only tells: what will be stored and is not in force says so, in the client's Warning headers.

Nothing that guards may look as if it guarded. What is told is a table in the shape of the objects themselves
(`unenforced_table`); a kind without an entry costs one look into a dict, an object without such a field a few
looks more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from longboat.apiserver.admission.chain import Plugin
from longboat.machinery.fieldpath import Path
from longboat.machinery.kinds import Kind
from longboat.registry.admission import Attributes, Target

WRITES = ("CREATE", "UPDATE")
PARTS = ("", "ephemeralcontainers")  # the writes that may bring such fields; others carry over what was told before


@dataclass(frozen=True, slots=True)
class Unenforced:
    """A field, or a whole kind, that is stored and not in force. `why` says what therefore does not happen.

    `but`: the values of which that is not so.
    """

    why: str
    but: tuple[Any, ...] = ()

    def holds(self, value: Any) -> bool:
        return value not in self.but


class Entries:
    """A map whose keys are a client's, not fields: they are written `[key]` in paths."""

    def __init__(self, entries: Mapping[str, Unenforced]) -> None:
        self.entries = entries


Shape = Unenforced | Entries | Mapping[str, "Shape"]
"""What is not in force, in the shape of an object; a shape beneath a list is that of each item."""
Table = Mapping[Kind, Shape]


class WarnUnenforced(Plugin):
    def __init__(self, table: Table) -> None:
        self._table = table

    def handles(self, target: Target) -> bool:
        return target.kind in self._table and target.subresource in PARTS and target.operation in WRITES

    def validate(self, attributes: Attributes) -> None:
        found: dict[Unenforced, Where] = {}
        _find(attributes.obj, self._table[attributes.kind], (), found)
        for entry, where in found.items():
            text = f"{_path(where) or attributes.kind.name}: stored, but not in force: {entry.why}"
            if text not in attributes.warnings:  # a write that is tried again tells once
                attributes.warnings.append(text)


Where = tuple[str | int | tuple[str], ...]
"""Steps from an object to a place in it: a field, an index, or a key of a map as a tuple of one."""


def _find(value: Any, shape: Shape, where: Where, found: dict[Unenforced, Where]) -> None:
    """The first place of each entry: what is told stays short, however long the object."""
    if isinstance(shape, Unenforced):
        if value and shape.holds(value):
            found.setdefault(shape, where)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _find(item, shape, (*where, i), found)
    elif isinstance(value, dict):
        if isinstance(shape, Entries):
            for key, entry in shape.entries.items():
                if key in value:
                    _find(value[key], entry, (*where, (key,)), found)
            return
        for field, below in shape.items():
            if field in value:
                _find(value[field], below, (*where, field), found)


def _path(where: Where) -> str:
    path = Path()
    for step in where:
        match step:
            case str():
                path = path.at(step)
            case int():
                path = path.index(step)
            case (key,):
                path = path.key(key)
    return str(path) if where else ""


def rows(table: Table) -> Iterator[tuple[str, str, str]]:
    """Kind, path and reason of every entry, for documents."""
    for kind, shape in table.items():
        for path, entry in _entries(shape, ""):
            yield kind.name, path, entry.why


def _entries(shape: Shape, path: str) -> Iterator[tuple[str, Unenforced]]:
    if isinstance(shape, Unenforced):
        values = " nor ".join(f"not {value}" for value in shape.but)
        yield f"{path}: {values}" if values else path, shape
    elif isinstance(shape, Entries):
        for key, entry in shape.entries.items():
            yield from _entries(entry, f"{path}[{key}]")
    else:
        for field, below in shape.items():
            yield from _entries(below, f"{path}.{field}" if path else field)
