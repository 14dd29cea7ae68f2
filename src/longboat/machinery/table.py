"""Columns of a Table (meta.k8s.io/v1), and the human forms in which upstream prints ages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from longboat.machinery.objects import Object, parse_timestamp

Cell = Any  # what JSON can hold


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `kind` is str, int, bool or float; priority 0 shows always, 1 only with `-o wide`.

    `value` takes the object, and the present moment where `timed`.
    """

    name: str
    kind: type
    value: Callable[..., Cell]
    priority: int = 0
    description: str = ""
    format: str = ""
    timed: bool = False
    told_as: str = ""  # its type, where `kind` does not say ("date")


def age(obj: Object, now: datetime) -> str:
    """How long ago the object was created, as kubectl prints it; `<unknown>` where that is not recorded."""
    return since(obj.get("metadata", {}).get("creationTimestamp"), now)


def since(text: str | None, now: datetime) -> str:
    """The human duration from an RFC 3339 time to `now`."""
    return human_duration((now - parse_timestamp(text)).total_seconds()) if text else "<unknown>"


def human_duration(seconds: float) -> str:
    """A duration in at most two units, coarser as it grows (apimachinery, duration.HumanDuration)."""
    s = int(seconds)
    if s < -1:
        return "<invalid>"
    if s < 0:
        return "0s"
    if s < 120:
        return f"{s}s"
    minutes = s // 60
    if minutes < 10:
        return f"{minutes}m{s % 60}s" if s % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours = s // 3600
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 365 * 2:
        return f"{days}d"
    years = days // 365
    if days < 365 * 8:
        return f"{years}y{days % 365}d" if days % 365 else f"{years}y"
    return f"{years}y"


# What the API says of the fields that these show (ObjectMeta): upstream describes columns by it.
_NAMED = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
CREATED = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
NAME = Column("Name", str, lambda obj: obj["metadata"]["name"], description=_NAMED, format="name")
AGE = Column("Age", str, age, description=CREATED, timed=True)
