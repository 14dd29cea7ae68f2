"""Strategic merge patch: a merge patch that knows from the schema which lists are merged, and by which key.

Directives in a patch: `$patch` (replace, delete, merge), `$retainKeys`, `$setElementOrder/…` and
`$deleteFromPrimitiveList/…`. Lists whose strategy is not merge are replaced.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

from longboat.machinery.errors import StatusError, bad_request, unfit
from longboat.machinery.types.shapes import ANY, List, Map, Shape, Struct

DIRECTIVE = "$patch"
RETAIN = "$retainKeys"
ORDER = "$setElementOrder/"
DELETE = "$deleteFromPrimitiveList/"

BAD_RETAIN = "invalid patch format of retainKeys"
BAD_ORDER = "invalid patch format of setElementOrder list"
BAD_DELETE = "invalid patch format of primitive list"


def apply(target: Any, patch: Any, shape: Struct) -> Any:
    """The patched object; the arguments stay as they are.

    Raises StatusError: 400 for a malformed directive or lists that cannot be merged, 422 for lists of lists.
    """
    if not isinstance(patch, dict):
        raise bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}")
    return _object(copy.deepcopy(target), patch, shape)


def unmergeable(why: str) -> StatusError:
    """Upstream words it so, but answers 500 as if the fault were its own."""
    return bad_request(why)


def _object(target: dict[str, Any], patch: dict[str, Any], shape: Shape) -> dict[str, Any]:
    match patch.get(DIRECTIVE, "merge"):
        case "replace":
            return _plain({name: value for name, value in patch.items() if name != DIRECTIVE})
        case "delete":
            return {}
        case "merge" if DIRECTIVE not in patch:
            pass
        case other:
            raise unmergeable(f"unknown patch type: {other} in map: {shown(patch)}")
    _retain(target, patch)
    orders = {name.removeprefix(ORDER): value for name, value in patch.items() if name.startswith(ORDER)}
    for name, order in orders.items():
        _enforce_order(target, name, order, patch.get(name), _field(shape, name))
    for name, value in patch.items():
        if name.startswith(DELETE):
            _delete_primitives(target, name.removeprefix(DELETE), value)
        elif name in (DIRECTIVE, RETAIN) or name.startswith(ORDER):
            continue
        elif value is None:
            target.pop(name, None)
        elif not (name in orders and isinstance(value, list)):
            replaced = isinstance(shape, Struct) and name in shape.replaced
            target[name] = _member(None if replaced else target.get(name), value, _field(shape, name))
    return target


def _field(shape: Shape, name: str) -> Shape:
    if isinstance(shape, Struct):
        return shape.fields.get(name, ANY)
    return shape.value if isinstance(shape, Map) else ANY


def _retain(target: dict[str, Any], patch: dict[str, Any]) -> None:
    keep = patch.get(RETAIN)
    if RETAIN not in patch:
        return
    if not isinstance(keep, list) or not all(isinstance(name, str) for name in keep):
        raise bad_request(BAD_RETAIN)
    kept = frozenset(keep)
    for name, value in patch.items():
        if value is not None and name not in kept and not name.startswith((RETAIN, ORDER, DELETE)):
            raise bad_request(BAD_RETAIN)
    for name in [name for name in target if name not in kept]:
        del target[name]


def _delete_primitives(target: dict[str, Any], name: str, gone: Any) -> None:
    if not isinstance(gone, list):
        raise bad_request(BAD_DELETE)
    if isinstance(target.get(name), list):
        names = {_identity(item) for item in gone}
        target[name] = [item for item in target[name] if _identity(item) not in names]


def _member(before: Any, value: Any, shape: Shape) -> Any:
    if isinstance(value, dict):
        return _object(before if isinstance(before, dict) else {}, value, shape)
    if isinstance(value, list):
        if isinstance(shape, List) and "merge" in shape.strategies and isinstance(before, list):
            return _ordered(_merged(before, value, shape), value, shape.merge_key, before)
        return _plain_list(value, isinstance(shape, List) and "merge" in shape.strategies)
    return value


def _enforce_order(target: dict[str, Any], name: str, order: Any, patch: Any, shape: Shape) -> None:
    before = target.get(name)
    if not all(value is None or isinstance(value, list) for value in (order, patch, before)) or order is None:
        raise bad_request(BAD_ORDER)
    if before is None and patch is None:
        return
    key = shape.merge_key if isinstance(shape, List) else ""
    if isinstance(shape, List) and "merge" in shape.strategies:
        merged = _merged(before or [], patch or [], shape)
        _same_order(patch or [], order, key)
    else:
        merged = patch if patch is not None else before or []
    target[name] = _ordered(merged, order, key, before or [])


def _same_order(patch: list[Any], order: list[Any], key: str) -> None:
    """The items that a patch changes must come in the order that it wishes for. Raises StatusError."""
    wished = iter([_key_of(item, key) for item in order])
    changed = (_key_of(item, key) for item in patch if not (isinstance(item, dict) and DIRECTIVE in item))
    if order and not all(any(name == wish for wish in wished) for name in changed):
        raise unmergeable(
            f"The order in patch list:\n{shown(patch)}\n doesn't match {ORDER[:-1]} list:\n{shown(order)}\n"
        )


def _merged(before: list[Any], patch: list[Any], shape: List) -> list[Any]:
    """What was there, changed by the patch's items, and its new ones at the end."""
    kinds = {_kind(item) for item in (*before, *patch)}
    if len(kinds) > 1:
        raise unmergeable(f"list element types are not identical: {shown([before, patch])}")
    if "[]interface {}" in kinds:
        raise unfit()
    if "map[string]interface {}" not in kinds:
        return list({_identity(item): item for item in (*before, *patch)}.values())
    if not shape.merge_key:
        raise unmergeable("cannot merge lists without merge key for type struct")
    return _merged_objects(before, patch, shape)


def _merged_objects(before: list[Any], patch: list[Any], shape: List) -> list[Any]:
    key, changed = shape.merge_key, []
    gone: set[Any] = set()
    replace = False
    for item in patch:
        match item.get(DIRECTIVE):
            case None:
                changed.append(item)
            case "delete":
                gone.add(_key_of(item, key))
            case "replace":
                replace = True
            case "merge":
                raise unmergeable("merging lists cannot yet be specified in the patch")
            case other:
                raise unmergeable(f"unknown patch type: {other} in map: {shown(item)}")
    if replace:
        return [_plain(item) for item in changed]
    merged = [item for item in before if key not in item or _key_of(item, key) not in gone]
    places: dict[Any, int] = {}
    for i, item in enumerate(merged):
        if key in item:
            places.setdefault(_key_of(item, key), i)
    for item in changed:
        name = _key_of(item, key)
        if name in places:
            merged[places[name]] = _object(merged[places[name]], item, shape.item)
        else:
            places[name] = len(merged)
            merged.append(_object({}, item, shape.item))
    return merged


def _key_of(item: Any, key: str) -> Any:
    """What tells an item from others: its merge key's value, or itself where there is no merge key."""
    if not key:
        return _identity(item)
    if not isinstance(item, dict):
        raise unmergeable(f"expected a map[string]interface {{}}, but received a {_kind(item)}")
    if key not in item:
        raise unmergeable(f"map: {shown(item)} does not contain declared merge key: {key}")
    return _identity(item[key])


def _ordered(items: list[Any], order: Iterable[Any], key: str, before: list[Any]) -> list[Any]:
    """Items in the wished order; those it does not name stay in front of what they were in front of."""

    def ranks(source: Iterable[Any]) -> Callable[[Any], int | None]:
        found: dict[Any, int] = {}
        for rank, item in enumerate(source):
            if not (isinstance(item, dict) and key not in item):
                found.setdefault(_key_of(item, key), rank)
        return lambda item: found.get(_key_of(item, key))

    wish, former = ranks(order), ranks(before)
    named = sorted((item for item in items if wish(item) is not None), key=wish)  # type: ignore[arg-type]
    rest = [item for item in items if wish(item) is None]
    out: list[Any] = []
    i = j = 0
    while i < len(rest) and j < len(named):
        here, there = former(rest[i]), former(named[j])
        if here is not None and there is not None and here < there:
            out.append(rest[i])
            i += 1
        else:
            out.append(named[j])
            j += 1
    return out + named[j:] + rest[i:]


def _plain(patch: dict[str, Any]) -> dict[str, Any]:
    """What a patch adds where there was nothing: without nulls and directives."""
    return _object({}, {name: value for name, value in patch.items() if name != RETAIN}, ANY)


def _plain_list(items: list[Any], merging: bool) -> list[Any]:
    """A list that replaces what was there; in one that would be merged, what is to be deleted is not there."""
    kept = [item for item in items if not (merging and isinstance(item, dict) and item.get(DIRECTIVE) is not None)]
    return [_plain(item) if isinstance(item, dict) else item for item in kept]


_KINDS = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool", int: "int64"}


def _kind(item: Any) -> str:
    return _KINDS.get(type(item), "float64")


def _identity(value: Any) -> Any:
    """Something hashable that is equal for equal JSON scalars."""
    return (type(value), value) if isinstance(value, (str, int, float, type(None))) else (type(value), shown(value))


def shown(value: Any) -> str:
    """A value as Go's %v prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{shown(value[name])}' for name in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(shown, value))}]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)
