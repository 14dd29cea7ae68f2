"""Event: something that happened to an object, kept for an hour."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import Column, since
from longboat.registry.kinds import rules
from longboat.registry.strategy import OBJECT, Strategy

TTL = 3600.0  # seconds (upstream's --event-ttl)
REF_FIELDS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
LONGEST_NAME, LONGEST_NOTE = 128, 1024


def _first(event: Object) -> str | None:
    return event.get("firstTimestamp") or event.get("eventTime")


def _last(event: Object) -> str | None:
    return dig(event, "series", "lastObservedTime") or event.get("lastTimestamp") or _first(event)


def _object(event: Object) -> str:
    kind, name = (dig(event, "involvedObject", field, default="") for field in ("kind", "name"))
    return f"{kind.lower()}/{name}" if name else str(kind.lower())


def source(event: Object) -> str:
    component = dig(event, "source", "component") or event.get("reportingComponent") or ""
    host = dig(event, "source", "host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component


def _ago(event: Object, now: datetime) -> str:
    return since(_last(event), now)


class Event(Strategy):
    kind = kinds.CORE_EVENT
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Last Seen", str, _ago, description="When it happened last.", timed=True),
        Column("Type", str, lambda event: event.get("type") or "", description="Normal or Warning."),
        Column("Reason", str, lambda event: event.get("reason") or "", description="What happened, in a word."),
        Column("Object", str, _object, description="What it happened to."),
        Column("Subobject", str, lambda event: dig(event, "involvedObject", "fieldPath", default=""), 1,
               "Which part of it."),
        Column("Source", str, source, 1, "Who reports it."),
        Column("Message", str, lambda event: (event.get("message") or "").strip(), description="What happened."),
        Column("First Seen", str, lambda event, now: since(_first(event), now), 1, "When it happened first.",
               timed=True),
        Column("Count", int, lambda event: dig(event, "series", "count") or event.get("count") or 1, 1,
               "How often it has happened."),
        Column("Name", str, lambda event: dig(event, "metadata", "name", default=""), 1, "The event's name.",
               format="name"),
    )  # fmt: skip
    generation = False
    create_on_update = True
    owns = False
    update_order: ClassVar[tuple[str, ...]] = (OBJECT,)
    selectable = frozenset((
        *(f"involvedObject.{field}" for field in REF_FIELDS), "reason", "reportingComponent", "source", "type",
    ))  # fmt: skip

    def ttl(self, obj: Object) -> float | None:
        return TTL

    def fields(self, obj: Object) -> dict[str, str]:
        ref = obj.get("involvedObject") or {}
        found = {f"involvedObject.{field}": ref.get(field) or "" for field in REF_FIELDS}
        found |= {f"regarding.{field}": value for field, value in zip(REF_FIELDS, found.values(), strict=True)}
        reporter = obj.get("reportingComponent") or ""
        return found | {
            "reason": obj.get("reason") or "",
            "type": obj.get("type") or "",
            "source": dig(obj, "source", "component") or reporter,
            "reportingComponent": reporter,
            "reportingController": reporter,
        }

    def validate(self, new: Object, err: Errors) -> None:
        validate(new, "reportingComponent", err)


def validate(event: Object, controller: str, err: Errors) -> None:
    """What holds for every event, as core/v1 has it; `controller`: what the version calls who reports.

    One with an eventTime must say more of who reports what; and is free to be about another namespace.
    """
    namespace, about = dig(event, "metadata", "namespace", default=""), dig(event, "involvedObject", "namespace") or ""
    path, why = Path("involvedObject", "namespace"), "does not match event.namespace"
    if not event.get("eventTime"):
        if about != namespace and (about or namespace not in ("", "default")):
            err.invalid(path, about, why)
    else:
        if not about and namespace not in ("default", "kube-system"):
            err.invalid(path, about, why)
        _validate_reporter(event, controller, err)
        if len((event.get("message") or "").encode()) > LONGEST_NOTE:
            err.invalid(Path("message"), "", f"can have at most {LONGEST_NOTE} characters")
    err.extend(Path("namespace"), names.dns1123_subdomain(namespace), namespace)


def _validate_reporter(event: Object, controller: str, err: Errors) -> None:
    if not event.get("reportingComponent"):
        err.required(Path(controller))
    rules.label_name(event.get("reportingComponent") or "", Path(controller), err)
    for field in ("reportingInstance", "action", "reason"):
        value = event.get(field) or ""
        if not value:
            err.required(Path(field))
        if len(value.encode()) > LONGEST_NAME:
            err.invalid(Path(field), "", f"can have at most {LONGEST_NAME} characters")
