"""What a mutation makes of an object: an apply configuration laid over it, or a JSON patch (admissionregistration)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec

from longboat.apiserver.admission.webhooks.patching import why_unfit
from longboat.machinery.apply import fieldset, fit, values
from longboat.machinery.apply.grain import LIST, MAP, Grain
from longboat.machinery.cel.lib import times
from longboat.machinery.cel.mutation import OBJECT
from longboat.machinery.cel.values import Duration, Record, Timestamp
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.patch import json

TEST = "testing value "


class Unusable(Exception):
    """The result of an expression cannot be put into force; the message is upstream's."""


def applied(grain: Grain, obj: Object, found: Any) -> Object:
    """The object with an apply configuration laid over it. Neither is changed. Raises Unusable."""
    if not isinstance(found, Record) or found.struct != OBJECT:
        raise Unusable("unsupported return type from ApplyConfiguration expression")
    _check_names(found)
    config = {**plain(found), "kind": obj.get("kind"), "apiVersion": obj.get("apiVersion")}
    try:
        fit.check(grain, config)
    except fit.Misfit as error:
        raise Unusable(f"error applying patch: failed to convert patch object to typed object: {error}") from error
    if atomic := [fieldset.shown(path) for path in _atomic(grain, config, ())]:
        why = f"may not mutate atomic arrays, maps or structs: {', '.join(atomic)}"
        raise Unusable(f"error applying patch: invalid ApplyConfiguration: {why}")
    merged: Object = values.merge(grain, obj, config)
    return merged


def _check_names(found: Record) -> None:
    """Raises Unusable where a part of an object is named as another's. A patch may set any part of an object."""
    if wrong := list(_misnamed(found, (found.struct,))):
        raise Unusable("type mismatch: " + "\n".join(wrong))


def _misnamed(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, Record):
        if value.struct != (expected := ".".join(path)):
            yield (
                f'unexpected type name "{value.struct}", expected "{expected}", '
                "which matches field name path from root Object type"
            )
        for name, inner in value.items():
            yield from _misnamed(inner, (*path, name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _misnamed(inner, path)
    elif isinstance(value, list):
        for inner in value:
            yield from _misnamed(inner, path)


def _atomic(grain: Grain, value: Any, path: fieldset.Path) -> Iterator[fieldset.Path]:
    """The places of a configuration that can only be set as a whole: setting one would take away what it leaves out."""
    if isinstance(value, dict) and grain.form is not LIST:
        if grain.atomic:
            yield path
        for name, inner in value.items() if grain.form is MAP else ():
            if (known := grain.fields.get(name)) is not None:
                yield from _atomic(known, inner, (*path, f"f:{name}"))
    elif isinstance(value, list):
        if grain.atomic or grain.form is not LIST:
            yield path
        item = grain.item
        for i, inner in enumerate(value) if item is not None else ():
            yield from _atomic(item or grain, inner, (*path, f"i:{i}"))


def patched(obj: Object, found: Any) -> Object:
    """The object after a JSON patch; the object itself where one of its tests fails. Raises Unusable."""
    if not isinstance(found, list):
        raise Unusable("type mismatch: JSONPatchType.expression should evaluate to array")
    operations = []
    for each in found:
        if not isinstance(each, Record):
            raise Unusable("type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch")
        operation = {"op": each.get("op") or "", "path": each.get("path") or ""}
        if each.get("from"):
            operation["from"] = each["from"]
        if "value" in each:
            if isinstance(each["value"], Record):
                _check_names(each["value"])
            operation["value"] = plain(each["value"])
        operations.append(operation)
    try:
        after: Object = json.apply(obj, operations)
    except StatusError as error:
        cause = error.__cause__
        if isinstance(cause, json.Unfit) and str(cause).startswith(TEST):
            return obj
        raise Unusable(f"JSON Patch: {why_unfit(error)}") from error
    if not isinstance(after, dict):
        raise Unusable("JSON Patch: the patch leaves no object")
    return after


def plain(value: Any) -> Any:
    """A value of an expression as JSON. Raises Unusable."""
    match value:
        case dict():
            for key in value:
                if not isinstance(key, str):
                    raise Unusable(f"map key {key!r} is no string")
            return {key: plain(inner) for key, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case bytes():
            return base64.b64encode(value).decode()
        case Timestamp():
            return times.timestamp_text(value)
        case Duration():
            return times.duration_text(value)
        case None | bool() | str() | float():
            return value
        case int():
            return int(value)
    raise Unusable(f"a value of type {type(value).__name__} cannot be written as JSON")


def encoded(obj: Object | None) -> bytes:
    """To see whether an object is as it was."""
    return msgspec.json.encode(obj, order="deterministic")


def unconverted(kind: Kind, why: str) -> str:
    return f"unable to convert unstructured object to {kind.group}/{kind.version}, Kind={kind.name}: {why}"
