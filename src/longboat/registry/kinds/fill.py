"""How defaults are filled in. Strings, numbers and lists that Go holds by value count as absent when they are empty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from longboat.machinery.objects import Object


def absent(obj: Object, field: str, value: Any) -> None:
    """Set a field that is not there (upstream's pointers: 0 and false are values of their own)."""
    if obj.get(field) is None:
        obj[field] = value


def empty(obj: Object, field: str, value: Any) -> None:
    """Set a field that is not there or has its type's zero value."""
    if not obj.get(field):
        obj[field] = value


def part(obj: Object, field: str) -> Object:
    """The object in this field, put there if absent."""
    absent(obj, field, {})
    found: Object = obj[field]
    return found


def each(obj: Object, *fields: str) -> Iterable[Object]:
    """Every object of these lists."""
    for field in fields:
        yield from obj.get(field) or ()
