"""Event, as events.k8s.io shows what is stored as core/v1."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.table import Column
from longboat.registry.kinds.core import event as core

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
DEPRECATED = {"deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount"}


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
        super().validate({k: v for k, v in to_core(new).items() if k not in ("eventTime", "message")}, err)
        if not new.get("eventTime"):
            return  # one that was written through core/v1
        validate(new, err)

    def validate_create(self, new: Object, err: Errors) -> None:
        if not new.get("eventTime"):
            err.required(Path("eventTime"))
            validate(new, err)
        for field in sorted(DEPRECATED):
            if new.get(field):
                err.invalid(Path(TO_CORE[field]), new[field], "needs to be unset")

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        if not new.get("eventTime"):
            return
        for field in ("reportingController", "reportingInstance", "action", "reason", "regarding", "related", "note",
                      "type", "eventTime"):  # fmt: skip
            if (new.get(field) or None) != (old.get(field) or None):
                absent = None if field in ("regarding", "related", "eventTime") else ""
                err.invalid(Path(TO_CORE.get(field, field)), new.get(field, absent), "field is immutable")


def validate(event: Object, err: Errors) -> None:
    if (kind := event.get("type") or "") not in ("Normal", "Warning"):
        err.invalid(Path("type"), "", f"has invalid value: {kind}")
    core.validate_reporter(to_core(event), "reportingController", err)
    if len(event.get("note") or "") > core.LONGEST_NOTE:
        err.invalid(Path("message"), "", f"can have at most {core.LONGEST_NOTE} characters")
