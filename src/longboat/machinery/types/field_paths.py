"""Paths of fields as definitions name them (".spec.color", "['a.b']"), followed through a structural schema."""

from __future__ import annotations

import re
from typing import Any

from longboat.machinery.objects import Object

_TOKENS = re.compile(r"'(?:\\.|[^'\\])*'|[.\[\]]|[^.\[\]]+")
_UNQUOTE = re.compile(r"\\(.)")


def resolve(text: str, schema: Object, *, brackets: bool = False) -> tuple[tuple[str, ...], Object]:
    """The names on the way, and the schema at its end. Raises ValueError with upstream's words; no lists are passed."""
    found = []
    for name in _names(text, brackets):
        schema = _member(schema, name)
        found.append(name)
    return tuple(found), schema


def steps(text: str) -> tuple[str, ...]:
    """The names of a path that has been resolved."""
    return tuple(_names(text, brackets=True))


def _names(text: str, brackets: bool) -> Any:
    tokens = iter(_TOKENS.findall(text))
    for token in tokens:
        if token == "[":
            if not brackets:
                raise ValueError("array notation is not allowed")
            quoted, end = next(tokens, ""), next(tokens, "")
            if len(quoted) < 2 or quoted[0] != "'" or quoted[-1] != "'":
                raise ValueError(f"expected single quoted string but got {quoted}")
            if end != "]":
                raise ValueError(f"expected ] but got {end}")
            yield _UNQUOTE.sub(r"\1", quoted[1:-1])
            continue
        if token != ".":
            raise ValueError(f"expected [ or . but got: {token}")
        if (name := next(tokens, None)) is None:
            raise ValueError("unexpected end of JSON path")
        yield name


def _member(schema: Object, name: str) -> Object:
    properties: Any = schema.get("properties")
    found = properties.get(name) if properties else schema.get("additionalProperties")
    if not isinstance(found, dict):
        raise ValueError("does not refer to a valid field")
    return found
