"""The tree of an expression. Each node knows where it stands; the checker adds its type and what it refers to."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Union

from longboat.machinery.cel.types import DYN, Type

Node = Union["Const", "Ident", "Select", "Call", "ListOf", "MapOf", "StructOf", "Fold"]


@dataclass(slots=True, eq=False)
class Const:
    at: int
    value: Any
    type: Type


@dataclass(slots=True, eq=False)
class Ident:
    at: int
    name: str
    type: Type = DYN
    constant: Any = None  # of a name that is a type: its value


@dataclass(slots=True, eq=False)
class Select:
    at: int
    operand: Node
    field: str
    test: bool = False  # has()
    type: Type = DYN


@dataclass(slots=True, eq=False)
class Call:
    """`overloads` are the ids that fit; more than one where that is not known before it runs."""

    at: int
    function: str
    target: Node | None
    args: list[Node]
    type: Type = DYN
    overloads: tuple[str, ...] = ()

    @property
    def operands(self) -> list[Node]:
        return self.args if self.target is None else [self.target, *self.args]


@dataclass(slots=True, eq=False)
class ListOf:
    at: int
    items: list[Node]
    optional: frozenset[int] = frozenset()
    type: Type = DYN


@dataclass(slots=True, eq=False)
class Entry:
    at: int
    key: Any  # a node, or the name of a field
    value: Node
    optional: bool = False


@dataclass(slots=True, eq=False)
class MapOf:
    at: int
    entries: list[Entry]
    type: Type = DYN


@dataclass(slots=True, eq=False)
class StructOf:
    at: int
    name: str
    entries: list[Entry]
    type: Type = DYN


@dataclass(slots=True, eq=False)
class Fold:
    """A comprehension, as the macro is defined by it; `macro`, `given` and `condition` are what it was made of."""

    at: int
    macro: str
    variables: tuple[str, ...]
    over: Node
    accumulator: str
    start: Node
    proceed: Node
    step: Node
    result: Node
    given: Node | None = None  # what is computed of each item
    condition: Node | None = None  # which items count
    type: Type = DYN


def copied(node: Node) -> Node:
    """A tree of its own, for a macro that has an argument in two places."""
    return deepcopy(node)


def qualified(node: Node) -> str:
    """`a.b.c` where the node is only that, else ""."""
    names: list[str] = []
    while isinstance(node, Select) and not node.test:
        names.append(node.field)
        node = node.operand
    if not isinstance(node, Ident):
        return ""
    return ".".join((node.name, *reversed(names)))


def children(node: Node) -> list[Node]:
    match node:
        case Select():
            return [node.operand]
        case Call():
            return node.operands
        case ListOf():
            return node.items
        case MapOf():
            return [each for entry in node.entries for each in (entry.key, entry.value)]
        case StructOf():
            return [entry.value for entry in node.entries]
        case Fold():
            return [node.over, node.start, node.proceed, node.step, node.result]
    return []
