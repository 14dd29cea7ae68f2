"""What a definition's status says: which names it has got, and whether it is served. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from longboat.machinery.objects import Object, dig, meta
from longboat.registry.kinds.apiextensions import approval
from longboat.registry.kinds.apiextensions.custom_resource_definition import FINALIZER, holds

ACCEPTED, ESTABLISHED, TERMINATING = "NamesAccepted", "Established", "Terminating"
_WAITING = ("False", "NotAccepted", "not all names are accepted")
_SERVED = ("True", "InitialNamesAccepted", "the initial names have been accepted")


class Taken:
    """The names that other definitions of a group have: resources and kinds cannot be confused with one another."""

    def __init__(self, others: Iterable[Object]) -> None:
        self.resources: set[str] = set()
        self.kinds: set[str] = set()
        for names in others:
            self.resources.update(filter(None, (names.get("plural"), names.get("singular"))))
            self.resources.update(names.get("shortNames") or ())
            self.kinds.update(filter(None, (names.get("kind"), names.get("listKind"))))


def settled(obj: Object, taken: Taken, now: str) -> Object:
    """The status that follows. Conditions that say the same keep their time."""
    status: Object = dict(obj.get("status") or {})
    names, told = _names(dig(obj, "spec", "names", default={}), status.get("acceptedNames") or {}, taken)
    status["acceptedNames"] = names
    found = [_condition(ACCEPTED, *told)]
    if not holds(obj, ESTABLISHED):
        found.append(_condition(ESTABLISHED, *(_SERVED if told[0] == "True" else _WAITING)))
    if (approved := approval.condition(obj)) is not None:
        found.append(approved)
    return with_conditions(status, found, now)


def with_conditions(status: Object, found: Iterable[Object], now: str) -> Object:
    conditions = {each.get("type"): each for each in status.get("conditions") or ()}
    for each in found:
        known = conditions.get(each["type"]) or {}
        if not each.items() <= known.items():
            moved = known.get("lastTransitionTime") if known.get("status") == each["status"] else None
            order = ("type", "status", "lastTransitionTime", "reason", "message")
            each = each | {"lastTransitionTime": moved or now}
            conditions[each["type"]] = {field: each[field] for field in order}
    return status | {"conditions": list(conditions.values())}


def ending(obj: Object, reason: str, message: str, now: str) -> Object:
    """A definition whose objects are being deleted."""
    told = _condition(TERMINATING, "False" if reason == "InstanceDeletionCompleted" else "True", reason, message)
    status = with_conditions(dict(obj.get("status") or {}), (told,), now)
    return obj | {"metadata": dict(meta(obj)), "status": status}


def waits_for_objects(obj: Object) -> bool:
    return bool(meta(obj).get("deletionTimestamp")) and FINALIZER in (meta(obj).get("finalizers") or ())


def established(obj: Object) -> bool:
    return holds(obj, ESTABLISHED)


def accepted(obj: Object) -> bool:
    return holds(obj, ACCEPTED)


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _names(wanted: Object, had: Object, taken: Taken) -> tuple[Object, tuple[str, str, str]]:
    """The names it has now, and the state, reason and message of NamesAccepted: the last conflict is told."""
    names: dict[str, Any] = dict(had)
    told = ("True", "NoConflicts", "no conflicts found")
    for field, used, reason in (
        ("plural", taken.resources, "PluralConflict"),
        ("singular", taken.resources, "SingularConflict"),
        ("shortNames", taken.resources, "ShortNamesConflict"),
        ("kind", taken.kinds, "KindConflict"),
        ("listKind", taken.kinds, "ListKindConflict"),
    ):
        asked, own = wanted.get(field), had.get(field)
        if isinstance(asked, list):
            held = {*(own or ()), had.get("plural"), had.get("singular")}
            lost = [name for name in asked if name not in held and name in used]
        else:
            lost = [asked] if asked and asked != own and asked in used else []
        if lost:
            says = [f'"{name}" is already in use' for name in dict.fromkeys(lost)]
            told = ("False", reason, says[0] if len(says) == 1 else f"[{', '.join(says)}]")
        elif asked:
            names[field] = asked
        else:
            names.pop(field, None)
    names.pop("categories", None)
    if categories := wanted.get("categories"):
        names["categories"] = categories
    return names, told
