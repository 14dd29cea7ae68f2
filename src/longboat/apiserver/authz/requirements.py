"""What selectors require, as access reviews say it: a key, an operator as label selectors have it (In, NotIn, Exists,
DoesNotExist) and values. Pure (KEP-4601)."""

from __future__ import annotations

from typing import TypeAlias

from longboat.machinery import fields, selectors

Requirement: TypeAlias = tuple[str, str, tuple[str, ...]]
_WRITTEN = {
    "in": "In", "=": "In", "==": "In", "notin": "NotIn", "!=": "NotIn", "exists": "Exists", "!": "DoesNotExist",
}  # fmt: skip


def of_fields(text: str) -> tuple[Requirement, ...]:
    """Raises ValueError."""
    return tuple(
        (each.field, "In" if each.equal else "NotIn", (each.value,)) for each in fields.parse(text).requirements
    )


def of_labels(text: str) -> tuple[Requirement, ...]:
    """Raises ValueError."""
    return tuple(
        (each.key, _WRITTEN[each.operator], tuple(sorted(each.values)))
        for each in selectors.parse(text).requirements
        if each.operator in _WRITTEN  # others cannot be told
    )


def read(text: str, *, labels: bool) -> tuple[Requirement, ...]:
    """As of a request's query: others complain of what cannot be read."""
    try:
        return of_labels(text) if labels else of_fields(text)
    except ValueError:
        return ()
