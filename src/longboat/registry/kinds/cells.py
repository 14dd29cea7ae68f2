"""What table cells are made of, as upstream prints it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from longboat.machinery import selectors
from longboat.machinery.objects import Object, dig, parse_timestamp
from longboat.machinery.table import CREATED, Cell, Column, human_duration

NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"


def at(path: str, default: Any = "") -> Callable[[Object], Cell]:
    """A cell that shows the field at a dotted path."""
    steps = path.split(".")
    return lambda obj: dig(obj, *steps, default=default)


def labels(found: Mapping[str, str] | None) -> str:
    """A plain map of labels."""
    return ",".join(f"{key}={found[key]}" for key in sorted(found)) if found else NONE


def selector(found: Mapping[str, Any] | None) -> str:
    """A LabelSelector."""
    return str(selectors.from_api(found)) or NONE


def joined(items: Iterable[str], empty: str = NONE) -> str:
    return ",".join(items) or empty


def some(items: list[str], most: int = 3, empty: str = NONE) -> str:
    """The first few, and how many there are beyond."""
    shown = ",".join(items[:most]) or empty
    return f"{shown} + {len(items) - most} more..." if len(items) > most else shown


def boolean(value: bool | None) -> str:
    """An optional bool as Go's printers write it."""
    return UNSET if value is None else str(bool(value))


def span(start: str, end: str | datetime) -> str:
    """How long from one time to another."""
    last = end if isinstance(end, datetime) else parse_timestamp(end)
    return human_duration((last - parse_timestamp(start)).total_seconds())


def named(spec: Object) -> str:
    return joined((c.get("name") or "" for c in spec.get("containers") or ()), "")


def imaged(spec: Object) -> str:
    return joined((c.get("image") or "" for c in spec.get("containers") or ()), "")


def template(*path: str) -> tuple[Column, Column]:
    """The wide columns of whatever has a pod template at this path."""
    return (
        Column("Containers", str, lambda obj: named(dig(obj, *path, "spec", default={})), 1,
               "Names of each container in the template."),
        Column("Images", str, lambda obj: imaged(dig(obj, *path, "spec", default={})), 1,
               "Images referenced by each container in the template."),
    )  # fmt: skip


def load_balancer(obj: Object) -> str:
    """The addresses at which something outside can reach this."""
    points = dig(obj, "status", "loadBalancer", "ingress", default=())
    return ",".join(sorted({point.get("ip") or point.get("hostname") or "" for point in points} - {""}))


CREATED_AT = Column("Created At", str, at("metadata.creationTimestamp"), description=CREATED,
                    format="date")  # fmt: skip
