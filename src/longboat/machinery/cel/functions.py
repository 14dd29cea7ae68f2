"""The functions that an expression may call: their overloads, as a table, and what computes each.

A line of a table is `function overload (types) result`, with `recv.` before the parenthesis where the first type is
what it is called on. `?T` is an optional, `[T]` a list, `{K:V}` a map; single letters are parameters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from longboat.machinery.cel import types
from longboat.machinery.cel.types import Type

Implementation = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Overload:
    id: str
    member: bool
    args: tuple[Type, ...]
    result: Type
    params: tuple[str, ...] = ()
    call: Implementation | None = None
    names: tuple[str, ...] = ()  # of the types of its arguments when it runs; "" is any


@dataclass(slots=True)
class Functions:
    """All functions of an environment."""

    by_name: dict[str, list[Overload]] = field(default_factory=dict)

    def declare(self, table: str, calls: dict[str, Implementation]) -> None:
        """Add the overloads of a table; each has what computes it by its id. Raises KeyError."""
        for line in filter(None, map(str.strip, table.splitlines())):
            name, overload = _parsed(line)
            call = calls[overload.id]
            made = Overload(
                overload.id, overload.member, overload.args, overload.result, overload.params, call, overload.names
            )
            self.by_name.setdefault(name, []).append(made)


_LINE = re.compile(r"(\S+) (\S+) (recv\.)?\(([^)]*)\) (\S+)")


@cache
def _parsed(line: str) -> tuple[str, Overload]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"not a declaration: {line}")
    name, id_, member, args, result = found.groups()
    taken = tuple(_type(each) for each in args.split(" ") if each)
    params = tuple(sorted(set(re.findall(r"\b[A-Z]\b", f"{args} {result}"))))
    return name, Overload(id_, bool(member), taken, _type(result), params, None, tuple(map(runtime_name, taken)))


def _type(text: str) -> Type:
    if text[0] == "?":
        return types.optional_of(_type(text[1:]))
    if text[0] == "[":
        return types.list_of(_type(text[1:-1]))
    if text[0] == "{":
        key, _, value = text[1:-1].partition(":")
        return types.map_of(_type(key), _type(value))
    if text.startswith("type:"):
        return types.type_of(_type(text[5:]))
    return Type("param", text) if len(text) == 1 else types.SIMPLE[text]


def runtime_name(type_: Type) -> str:
    """The name that values of a type have, or "" where it is open."""
    return "" if type_.kind in ("dyn", "param", "any", "wrapper", "error") else type_.name


def each_of(lines: str, names: Iterable[str]) -> str:
    """The lines once for each name, which stands for `@`."""
    return "\n".join(lines.replace("@", name) for name in names)
