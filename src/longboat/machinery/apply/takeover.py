"""From client-side to server-side apply: kubectl's annotation says what it owned before there were entries."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.machinery.apply import fieldset, fit, values
from longboat.machinery.apply.compare import compare
from longboat.machinery.apply.fieldset import EMPTY, FieldSet
from longboat.machinery.apply.grain import Grain
from longboat.machinery.apply.managed import Manager, Owned
from longboat.machinery.objects import Object, dig

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
KUBECTL = "kubectl"  # the only applier for which the annotation counts
MOST = 256 << 10  # bytes of all annotations


def allowed(live: Object, grain: Grain, version: str) -> FieldSet:
    """The fields that client-side apply has set and nobody has changed since: these may be taken over."""
    text = dig(live, "metadata", "annotations", LAST_APPLIED)
    try:
        last: Any = msgspec.json.decode(text or "")
        if not isinstance(last, dict) or last.get("apiVersion") != version:
            return EMPTY
        fit.check(grain, last)
    except (msgspec.DecodeError, fit.Misfit):
        return EMPTY
    change = compare(grain, last, live)
    fields = values.fields_of(grain, last)
    for gone in (change.modified, change.added, change.removed):
        fields = fieldset.difference(fields, gone)
    return fields


def beyond(conflicts: dict[Manager, Owned], fields: FieldSet) -> dict[Manager, Owned]:
    """What is left of conflicts once these fields are allowed."""
    left = {who: Owned(owned.version, fieldset.difference(owned.fields, fields)) for who, owned in conflicts.items()}
    return {who: owned for who, owned in left.items() if owned.fields}


def annotate(obj: Object, config: Object) -> Object:
    """The object with its annotation, where it has one, brought up to what was applied now."""
    notes = dig(obj, "metadata", "annotations")
    if not notes or not notes.get(LAST_APPLIED):
        return obj
    meta = dict(config["metadata"])
    if given := meta.get("annotations"):
        meta["annotations"] = {name: value for name, value in given.items() if name != LAST_APPLIED}
        if not meta["annotations"]:
            del meta["annotations"]
    text = msgspec.json.Encoder(order="sorted").encode({**config, "metadata": meta}).decode() + "\n"
    notes = {**notes, LAST_APPLIED: text}
    if sum(len(name.encode()) + len(str(value).encode()) for name, value in notes.items()) > MOST:
        del notes[LAST_APPLIED]
    return {**obj, "metadata": {**obj["metadata"], "annotations": notes}}
