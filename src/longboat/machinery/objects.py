"""An API object as the server holds it: a plain JSON dict, and the few things every room asks of one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]


def meta(obj: Object) -> Object:
    """The object's metadata, created if absent."""
    found: Object = obj.setdefault("metadata", {})
    return found


def dig(obj: Any, *path: str, default: Any = None) -> Any:
    """The value at a path of field names, or `default` where any step is missing or null."""
    for step in path:
        if not isinstance(obj, dict):
            return default
        obj = obj.get(step)
        if obj is None:
            return default
    return obj


def timestamp(moment: datetime) -> str:
    """metav1.Time: RFC 3339, UTC, whole seconds."""
    there = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return there.isoformat(timespec="seconds")[:19] + "Z"


def micro_timestamp(moment: datetime) -> str:
    """metav1.MicroTime: RFC 3339, UTC, microseconds."""
    there = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return there.isoformat(timespec="microseconds")[:26] + "Z"


def parse_timestamp(text: str) -> datetime:
    """A metav1.Time or MicroTime as an aware datetime. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text!r}")
    return moment
