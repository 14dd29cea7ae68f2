"""The entries of metadata.managedFields: who has which fields, by what operation, and since when."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from longboat.machinery.apply import fieldset
from longboat.machinery.apply.fieldset import FieldSet

APPLY, UPDATE = "Apply", "Update"
FIELDS_V1 = "FieldsV1"
MOST_UPDATERS = 10  # entries of updates; older ones are put together (managedfields, DefaultMaxUpdateManagers)
ANCIENT = "ancient-changes"
BEFORE = "before-first-apply"


class BadEntries(ValueError):
    """Entries that are none."""


class Manager(NamedTuple):
    """What tells an entry from others. An applier is the same in all versions: `version` is "" for one."""

    name: str
    operation: str
    version: str
    subresource: str


class Owned(NamedTuple):
    """`version` is that of the object in which the fields are named; `time` as it is written, "" for never."""

    version: str
    fields: FieldSet
    time: str = ""


Managed: TypeAlias = dict[Manager, Owned]


def manager(name: str, operation: str, version: str, subresource: str = "") -> Manager:
    return Manager(name or "unknown", operation, "" if operation == APPLY else version, subresource)


def decode(entries: Iterable[Any]) -> Managed:
    """Raises BadEntries."""
    found: Managed = {}
    for entry in entries:
        given = entry.get
        operation, version = given("operation"), given("apiVersion") or ""
        if operation != UPDATE and operation != APPLY:
            raise BadEntries("operation must be `Apply` or `Update`")
        if not version:
            raise BadEntries("apiVersion must not be empty")
        if given("fieldsType") != FIELDS_V1:
            raise BadEntries("fieldsType must be FieldsV1")
        of = "" if operation == APPLY else version
        who = Manager(given("manager") or "", operation, of, given("subresource") or "")
        found[who] = Owned(version, given("fieldsV1") or fieldset.EMPTY, given("time") or "")
    return found


def check(entries: Iterable[Any]) -> None:
    """As `decode`, of entries that a client has sent: their fields too are looked at. Raises BadEntries."""
    for owned in decode(entries).values():
        if not fieldset.is_set(owned.fields):
            raise BadEntries("the fields are no FieldsV1")


def encode(managed: Managed) -> list[dict[str, Any]]:
    """As they are stored: appliers first, then by time and name."""

    if len(managed) > 1:
        return [entry(who, owned) for who, owned in sorted(managed.items(), key=_rank)]
    return [entry(who, owned) for who, owned in managed.items()]


def _rank(item: tuple[Manager, Owned]) -> tuple[str, ...]:
    who, owned = item
    return who.operation, owned.time, who.name, owned.version, who.subresource


def entry(who: Manager, owned: Owned) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if who.name:
        found["manager"] = who.name
    found["operation"], found["apiVersion"] = who.operation, owned.version
    if owned.time:
        found["time"] = owned.time
    found["fieldsType"], found["fieldsV1"] = FIELDS_V1, owned.fields
    if who.subresource:
        found["subresource"] = who.subresource
    return found


def renewed(entries: list[dict[str, Any]], who: Manager, fields: FieldSet, now: str) -> list[dict[str, Any]] | None:
    """The entries after `who` has changed nothing but fields that it has, and nobody else; None where it is otherwise.

    This is what a heartbeat does, and needs no look at the entries but this one.
    """
    found, mine = list(entries), -1
    for i, entry in enumerate(entries):
        owned = entry.get("fieldsV1") or fieldset.EMPTY
        if (
            entry.get("manager") == who.name
            and entry.get("operation") == UPDATE
            and entry.get("apiVersion") == who.version
            and (entry.get("subresource") or "") == who.subresource
        ):
            if not fieldset.covers(owned, fields):
                return None
            mine = i
        elif entry.get("apiVersion") != who.version or fieldset.meets(owned, fields):
            return None
    if mine < 0:
        return None
    if (found[mine].get("time") or "") != now:
        found[mine] = {**found[mine], "time": now}
        if not now:
            del found[mine]["time"]
        found.sort(key=_rank_of_entry)
    return found


def _rank_of_entry(entry: dict[str, Any]) -> tuple[str, ...]:
    given = entry.get
    return (
        given("operation") or "", given("time") or "", given("manager") or "", given("apiVersion") or "",
        given("subresource") or "",
    )  # fmt: skip


def is_reset(entries: Any) -> bool:
    """Whether a client wants all entries gone: the list has one, and it is empty."""
    return isinstance(entries, list) and len(entries) == 1 and not entries[0]


def same_but_times(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    if len(one) != len(other):
        return False
    return all({**a, "time": None} == {**b, "time": None} for a, b in zip(one, other, strict=True))


def capped(managed: Managed) -> Managed:
    """With no more updaters than may be: the oldest of each version are put together."""
    updaters = [who for who in managed if who.operation == UPDATE]
    if len(updaters) <= MOST_UPDATERS:
        return managed
    updaters.sort(key=lambda who: (managed[who].time, who.name, who.version, who.subresource))
    found, left, first = dict(managed), len(updaters), dict[str, Manager]()
    for who in updaters:
        if left <= MOST_UPDATERS:
            break
        owned = found[who]
        if owned.version not in first:
            first[owned.version] = who
            continue
        bucket = Manager(ANCIENT, UPDATE, owned.version, "")
        if bucket not in found:
            found[bucket] = found.pop(first[owned.version])
        if who != bucket:
            del found[who]
            found[bucket] = owned._replace(fields=fieldset.union(owned.fields, found[bucket].fields))
            left -= 1
    return found
