"""Paths of fields as definitions name them (".spec.color"), followed through a structural schema."""

from __future__ import annotations

import re
from typing import Any

from longboat.machinery.objects import Object

_TOKENS = re.compile(r"[.\[\]]|[^.\[\]]+")


def resolve(text: str, schema: Object) -> tuple[tuple[str, ...], Object]:
    """The names on the way, and the schema at its end. Raises ValueError with upstream's words; no lists are passed."""
    steps: list[str] = []
    tokens = iter(_TOKENS.findall(text))
    for token in tokens:
        if token == "[":
            raise ValueError("array notation is not allowed")
        if token != ".":
            raise ValueError(f"expected [ or . but got: {token}")
        if (name := next(tokens, None)) is None:
            raise ValueError("unexpected end of JSON path")
        schema = _member(schema, name)
        steps.append(name)
    return tuple(steps), schema


def _member(schema: Object, name: str) -> Object:
    properties: Any = schema.get("properties")
    found = properties.get(name) if properties else schema.get("additionalProperties")
    if not isinstance(found, dict):
        raise ValueError("does not refer to a valid field")
    return found
