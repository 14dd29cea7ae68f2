"""Strategic merge patch: a merge patch that knows from the schema which lists are merged, and by which key."""

from __future__ import annotations

import copy
from typing import Any

from longboat.machinery.errors import StatusError, bad_request
from longboat.machinery.shapes import ANY, List, Map, Shape, Struct

DIRECTIVE = "$patch"
RETAIN = "$retainKeys"
ORDER = "$setElementOrder/"
DELETE_PRIMITIVE = "$deleteFromPrimitiveList/"

_ABSENT: Any = object()


def apply(target: Any, patch: Any, shape: Struct) -> Any:
    """The patched object; the arguments stay as they are. Raises StatusError 400, 500 as upstream does."""
    if not isinstance(patch, dict):
        raise bad_request("json: cannot unmarshal into Go value of type map[string]interface {}")
    return _object(copy.deepcopy(target), patch, shape)


def _object(target: dict[str, Any], patch: dict[str, Any], shape: Shape) -> dict[str, Any]:
    directive = patch.get(DIRECTIVE, _ABSENT)
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in (_ABSENT, "merge"):
        raise bad_request(f"Unknown patch type found: {directive}")
    _retain(target, patch)
    orders = {name.removeprefix(ORDER): order for name, order in patch.items() if name.startswith(ORDER)}
    for name, value in patch.items():
        if name.startswith(DELETE_PRIMITIVE):
            shrunk = name.removeprefix(DELETE_PRIMITIVE)
            if isinstance(target.get(shrunk), list) and isinstance(value, list):
                target[shrunk] = [item for item in target[shrunk] if item not in value]
    for name, value in patch.items():
        if name in (DIRECTIVE, RETAIN) or name.startswith((ORDER, DELETE_PRIMITIVE)):
            continue
        if value is None:
            target.pop(name, None)
        else:
            target[name] = _member(target.get(name), value, _field(shape, name), orders.pop(name, None), name)
    for name, wished in orders.items():
        field = _field(shape, name)
        if isinstance(target.get(name), list) and isinstance(field, List):
            target[name] = _ordered(target[name], wished, field.merge_key, target[name])
    return target


def _field(shape: Shape, name: str) -> Shape:
    if isinstance(shape, Struct):
        return shape.fields.get(name, ANY)
    return shape.value if isinstance(shape, Map) else ANY


def _retain(target: dict[str, Any], patch: dict[str, Any]) -> None:
    keep = patch.get(RETAIN)
    if keep is None:
        return
    if not isinstance(keep, list):
        raise bad_request(f"invalid patch format of {RETAIN}: it must be a list")
    for name in [name for name in target if name not in keep]:
        del target[name]


def _member(before: Any, value: Any, shape: Shape, order: Any, name: str) -> Any:
    if isinstance(value, dict):
        return _object(before if isinstance(before, dict) else {}, value, shape)
    if isinstance(value, list) and isinstance(shape, List) and "merge" in shape.strategies:
        return _list(before if isinstance(before, list) else [], value, shape, order, name)
    return value


def _list(before: list[Any], patch: list[Any], shape: List, order: Any, name: str) -> list[Any]:
    if not shape.merge_key:
        merged = before + [item for item in dict.fromkeys(patch) if item not in before]
        return _ordered(merged, order, "", before) if order is not None else merged
    key = shape.merge_key
    if any(isinstance(item, dict) and item.get(DIRECTIVE) == "replace" for item in patch):
        return [item for item in patch if DIRECTIVE not in item]
    merged = list(before)
    for item in patch:
        if not isinstance(item, dict):
            raise bad_request(f"expected a map in the list {name}")
        if item.get(DIRECTIVE, _ABSENT) == "merge":
            continue
        if key not in item:
            raise missing_key(key, item)
        at = next((i for i, old in enumerate(merged) if isinstance(old, dict) and old.get(key) == item[key]), None)
        if item.get(DIRECTIVE) == "delete":
            merged = [old for old in merged if not (isinstance(old, dict) and old.get(key) == item[key])]
        elif at is None:
            merged.append(_object({}, item, shape.item))
        else:
            merged[at] = _object(merged[at], item, shape.item)
    return _ordered(merged, order, key, before) if order is not None else merged


def missing_key(key: str, item: Any) -> StatusError:
    shown = " ".join(f"{k}:{v}" for k, v in sorted(item.items()))
    return StatusError(500, "", f"map: map[{shown}] does not contain declared merge key: {key}")


def _ordered(items: list[Any], order: Any, key: str, before: list[Any]) -> list[Any]:
    """Items in the wished order; those it does not name stay next to their former neighbours."""
    if not isinstance(order, list):
        raise bad_request(f"invalid patch format of {ORDER}: it must be a list")

    def name_of(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wished = {name_of(item): rank for rank, item in enumerate(order)}
    named = sorted((i for i in items if name_of(i) in wished), key=lambda item: wished[name_of(item)])
    former = {name_of(item): rank for rank, item in enumerate(before)}
    rest = [item for item in items if name_of(item) not in wished]
    out: list[Any] = []
    while named and rest:
        here, there = former.get(name_of(rest[0])), former.get(name_of(named[0]))
        take_rest = here is not None and there is not None and here < there
        out.append((rest if take_rest else named).pop(0))
    return out + named + rest
