"""Objects and sets of fields: which an object has, two objects merged, and an object without some of its fields."""

from __future__ import annotations

from typing import Any

from longboat.machinery.apply.compare import child
from longboat.machinery.apply.elements import NoElement, element, indexed
from longboat.machinery.apply.fieldset import LEAF, SELF, FieldSet, member
from longboat.machinery.apply.grain import ANYTHING, DEDUCED, FREE, LIST, MAP, Grain

_FREE_MAP = Grain(MAP, value=DEDUCED)


def fields_of(grain: Grain, value: dict[str, Any]) -> FieldSet:
    """The fields that an object has. A struct is not owned, but its fields; a member of a map or list is, with what is
    in it."""
    found: FieldSet = {}
    for name, inner in value.items():
        node = _fields(child(grain, name), inner)
        if name not in grain.fields:
            node = {SELF: LEAF, **node} if node else LEAF
        if node is not None:
            found[f"f:{name}"] = node
    return found


def _fields(grain: Grain, value: Any) -> FieldSet | None:
    """The node of a value; None for one of which nothing is owned: a list without items."""
    if grain.atomic:
        return LEAF
    if isinstance(value, dict) and value and grain.form is not LIST:
        return fields_of(_FREE_MAP if grain.form is FREE else grain, value) or None
    if isinstance(value, list) and grain.form is LIST:
        item = grain.item or ANYTHING
        owned: FieldSet = {}
        for key, items in indexed(grain, value).items():
            node = _fields(item, items[0]) if len(items) == 1 else LEAF
            owned[key] = {SELF: LEAF, **node} if node else LEAF
        return owned or None
    return LEAF


def merge(grain: Grain, live: Any, config: Any) -> Any:
    """A value with another laid over it. Both stay as they are, and what nobody speaks of is shared."""
    if grain.atomic:
        return config
    if grain.form is LIST:
        has, given = (each if isinstance(each, list) else [] for each in (live, config))
        return _lists(grain, has, given) if has and given else given or has or config
    if grain.form is FREE and not isinstance(config, dict) and not (config is None and isinstance(live, dict)):
        return config
    before, after = (each if isinstance(each, dict) else {} for each in (live, config))
    if not (before and after):
        return after or before or config
    inner = _FREE_MAP if grain.form is FREE else grain
    found = dict(before)
    for name, value in after.items():
        found[name] = merge(child(inner, name), found[name], value) if name in found else value
    return found


def _lists(grain: Grain, live: list[Any], config: list[Any]) -> list[Any]:
    """The items of both. Those of the configuration come in its order; those that only the live list has stay in front
    of what they were in front of."""
    item = grain.item or ANYTHING
    before, after = indexed(grain, live), indexed(grain, config)
    order = [_key(grain, each) for each in live]
    shared = iter([key for key in after if key in before])
    anchor, at = next(shared, None), 0
    found: list[Any] = []
    for key, items in after.items():
        while at < len(order) and (anchor is None or order[at] != anchor):
            if order[at] not in after:
                found.append(live[at])
            at += 1
        had = before.get(key, ())
        found.append(merge(item, had[0], items[0]) if len(had) == 1 else items[0])
        if key == anchor:
            anchor = next(shared, None)
            at += at < len(order) and order[at] == key
    return found + [each for key, each in zip(order[at:], live[at:], strict=True) if key not in after]


def _key(grain: Grain, item: Any) -> str:
    try:
        return element(grain, item)
    except NoElement:
        return ""


def remove(grain: Grain, value: Any, gone: FieldSet) -> Any:
    """A value without these fields. It stays as it is, and what is not touched is shared."""
    if grain.atomic or not gone or not value:
        return value
    if isinstance(value, dict) and grain.form is not LIST:
        return _remove_from_map(_FREE_MAP if grain.form is FREE else grain, value, gone)
    if isinstance(value, list) and grain.form is LIST:
        item = grain.item or ANYTHING
        left = []
        for each in value:
            node = gone.get(_key(grain, each))
            if node is None:
                left.append(each)
            elif not member(node):
                left.append(remove(item, each, node))
        return left
    return value


def _remove_from_map(grain: Grain, value: dict[str, Any], gone: FieldSet) -> dict[str, Any]:
    left = {}
    for name, inner in value.items():
        node = gone.get(f"f:{name}")
        if node is None:
            left[name] = inner
        elif not member(node):
            left[name] = remove(child(grain, name), inner, node)
    return left


def with_holders(grain: Grain, fields: FieldSet) -> FieldSet:
    """The set, and in it each struct's field that holds one that is in it."""
    found = {}
    for key, node in fields.items():
        if key == SELF:
            found[key] = node
            continue
        named = grain.form is MAP and key.startswith("f:")
        inner = child(grain, key[2:]) if named else grain.item or grain.value or ANYTHING
        if grain.form is FREE:
            inner = DEDUCED
        deeper = with_holders(inner, node) if node else node
        if named and deeper and SELF not in deeper and key[2:] in grain.fields:
            deeper = {SELF: LEAF, **deeper}
        found[key] = deeper
    return found


def collapsed(grain: Grain, fields: FieldSet) -> FieldSet:
    """The set as a type has it whose parts have become whole since: who owned something in one owns it."""
    found, changed = {}, False
    for key, node in fields.items():
        now = node
        if key != SELF and node:
            inner = child(grain, key[2:]) if key.startswith("f:") and grain.form is MAP else grain.item
            if inner is not None:
                now = LEAF if inner.atomic else collapsed(inner, node)
        changed |= now is not node
        found[key] = now
    return found if changed else fields
