"""Event, as events.k8s.io shows what is stored as core/v1."""

from __future__ import annotations

from typing import Any

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.table import Column
from longboat.machinery.types import internal
from longboat.registry.kinds import rules
from longboat.registry.kinds.core import event as core
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA_CHANGE

TO_CORE = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
FROM_CORE = {old: new for new, old in TO_CORE.items()}


def _columns() -> tuple[Column, ...]:
    def shown(column: Column) -> Column:
        def value(obj: Object, *now: object) -> object:
            return column.value(to_core(obj), *now)

        return Column(column.name, column.kind, value, column.priority, column.description, column.format, column.timed)

    return tuple(shown(column) for column in core.Event.columns)


def to_core(obj: Object) -> Object:
    found = {TO_CORE.get(field, field): value for field, value in obj.items()}
    return found | {"apiVersion": kinds.CORE_EVENT.api_version, "kind": kinds.CORE_EVENT.name}


def from_core(obj: Object) -> Object:
    found = {FROM_CORE.get(field, field): value for field, value in obj.items()}
    return found | {"apiVersion": kinds.EVENT.api_version, "kind": kinds.EVENT.name}


class Event(core.Event):
    kind = kinds.EVENT
    columns = _columns()
    hub = kinds.CORE_EVENT
    update_order = (OBJECT, *WHOLE_METADATA_CHANGE, CHANGE)
    selectable = frozenset((
        *(f"regarding.{field}" for field in core.REF_FIELDS), "reason", "reportingController", "type",
    ))  # fmt: skip

    def to_hub(self, obj: Object) -> Object:
        return to_core(obj)

    def from_hub(self, obj: Object) -> Object:
        return from_core(obj)

    def fields(self, obj: Object) -> dict[str, str]:
        return super().fields(to_core(obj))

    def validate(self, new: Object, err: Errors) -> None:
        core.validate(to_core(new), "reportingController", err)

    def validate_create(self, new: Object, err: Errors) -> None:
        event = to_core(new)
        _series(event, err)
        if not event.get("eventTime"):
            err.required(Path("eventTime"))
        if (kind := event.get("type") or "") not in TYPES:
            err.invalid(Path("type"), "", f"has invalid value: {kind}")
        source = event.get("source") or {}
        for field, value in (
            *((field, event.get(field)) for field in ("firstTimestamp", "lastTimestamp", "count")),
            ("source", source.get("component") or source.get("host")),
        ):
            if value:
                err.invalid(Path(field), "", "needs to be unset")

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        event, former = to_core(new), to_core(old)
        if (event.get("series") or None) != (former.get("series") or None):
            _series(event, err)
        for field in FIXED:
            shown, before = _shown(field, event), _shown(field, former)
            if shown != before:
                err.invalid(Path(FROM_CORE[field] if field in RENAMED else field), shown, rules.IMMUTABLE)


TYPES = ("Normal", "Warning")
# What does not change, in upstream's order; it looks at the reason twice.
FIXED = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "reason", "type",
    "eventTime", "action", "related", "reportingComponent", "reportingInstance",
)  # fmt: skip
RENAMED = ("reportingComponent",)  # as this version calls it; upstream names the others as core/v1 does
STRUCTS = {"involvedObject": "ObjectReference", "related": "ObjectReference", "source": "EventSource"}
EMPTY = {"involvedObject": {}, "source": {}, "count": 0} | dict.fromkeys(
    ("reason", "message", "type", "action", "reportingComponent", "reportingInstance"), ""
)


def _shown(field: str, event: Object) -> Any:
    value: Any = event.get(field) or EMPTY.get(field)
    return internal.whole(f"io.k8s.api.core.v1.{STRUCTS[field]}", value) if field in STRUCTS else value


def _series(event: Object, err: Errors) -> None:
    if (series := event.get("series")) is None:
        return
    if (series.get("count") or 0) < 2:
        err.invalid(Path("series", "count"), "", "should be at least 2")
    if not series.get("lastObservedTime"):
        err.required(Path("series", "lastObservedTime"))
