"""The table columns of a custom kind: what its definition prints (additionalPrinterColumns), or its age."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from longboat.machinery.jsonpath import JSONPath
from longboat.machinery.objects import Object, parse_timestamp
from longboat.machinery.table import AGE, Cell, Column, human_duration

log = logging.getLogger(__name__)

_KINDS: dict[str, type] = {"string": str, "integer": int, "number": float, "boolean": bool, "date": str}
_AGE = replace(AGE, told_as="date")


def columns_of(version: Object) -> tuple[Column, ...]:
    """As upstream, a path that is none leaves the kind with what every kind has."""
    try:
        return tuple(map(_column, version.get("additionalPrinterColumns") or ())) or (_AGE,)
    except ValueError as error:
        log.warning("the columns of %s cannot be shown: %s", version.get("name"), error)
        return (_AGE,)


def _column(found: Object) -> Column:
    path, kind = JSONPath(found["jsonPath"]), found["type"]
    said = found.get("description") or f"Custom resource definition column (in JSONPath format): {found['jsonPath']}"
    timed = kind == "date"
    value: Callable[..., Cell] = _dated(path) if timed else _plain(path, kind)
    return Column(
        found["name"], _KINDS[kind], value, found.get("priority") or 0, said, found.get("format") or "",
        timed=timed, told_as=kind,
    )  # fmt: skip


def _plain(path: JSONPath, kind: str) -> Callable[[Object], Cell]:
    show = _SHOWN[kind]
    return lambda obj: show(path.first(obj))


def _dated(path: JSONPath) -> Callable[[Object, datetime], Cell]:
    def shown(obj: Object, now: datetime) -> Cell:
        text = path.first(obj)
        if not isinstance(text, str):
            return None
        try:
            return human_duration((now - parse_timestamp(text)).total_seconds())
        except ValueError:
            return "<invalid>"

    return shown


def _text(value: Any) -> Cell:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()  # maps and lists as JSON


def _integer(value: Any) -> Cell:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _number(value: Any) -> Cell:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


_SHOWN: dict[str, Callable[[Any], Cell]] = {
    "string": _text, "integer": _integer, "number": _number,
    "boolean": lambda value: value if isinstance(value, bool) else None,
}  # fmt: skip
