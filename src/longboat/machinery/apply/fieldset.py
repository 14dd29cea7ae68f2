"""Sets of fields, in the form in which managedFields hold them (FieldsV1, KEP-555).

A set is a tree of dicts. Keys are path elements: "f:name" (a field), 'k:{"name":"c"}' (an item of a list, by its
keys), 'v:"x"' (an item of a set), "i:0" (by its place). A node without keys is in the set; one that has keys is in it
where one of them is ".". So a set is its own FieldsV1, and nothing is converted on the way to or from storage. The root
alone stands for no field: without keys it is the empty set.

Trees are never changed once made, and share their parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

FieldSet: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str, ...]

SELF = "."
LEAF: FieldSet = {}
EMPTY: FieldSet = {}
DEEPEST = 200  # elements of a path: no body that is read is deeper

_decode = msgspec.json.decode


def is_set(value: Any, depth: int = 0) -> bool:
    """Whether a JSON value is a set: all of its keys are path elements."""
    if not isinstance(value, dict) or depth > DEEPEST:
        return False
    for key, inner in value.items():
        if key != SELF and (key[:2] not in ("f:", "k:", "v:", "i:") or not _is_element(key)):
            return False
        if not is_set(inner, depth + 1):
            return False
    return True


def _is_element(key: str) -> bool:
    if key.startswith("f:"):
        return True
    try:
        value = _decode(key[2:])
    except msgspec.DecodeError:
        return False
    return isinstance(value, {"k": dict, "i": int}.get(key[0], object))


def member(node: FieldSet) -> bool:
    """Whether what a node (not the root) stands for is itself in the set."""
    return not node or SELF in node


def has(fields: FieldSet, path: Path) -> bool:
    node: FieldSet | None = fields
    for element in path:
        node = node.get(element) if node else None
        if node is None:
            return False
    return node is not None and member(node)


def single(path: Path) -> FieldSet:
    """The set of one path."""
    found: FieldSet = LEAF
    for element in reversed(path):
        found = {element: found}
    return found


def of_paths(*paths: Path) -> FieldSet:
    found = EMPTY
    for path in paths:
        found = union(found, single(path))
    return found


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """Of two roots."""
    if not one or not other:
        return one or other
    return _merged(one, other)


def _merged(one: FieldSet, other: FieldSet) -> FieldSet:
    found = dict(one)
    for key, node in other.items():
        found[key] = _joined(found[key], node) if key in found else node
    return found


def _joined(one: FieldSet, other: FieldSet) -> FieldSet:
    if one is other:
        return one
    if not one or not other:
        more = one or other
        return more if not more or SELF in more else {SELF: LEAF, **more}
    return _merged(one, other)


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in one root and not in the other."""
    if not one or not other:
        return one
    found, changed = {}, False
    for key, node in one.items():
        less = _less(node, other[key]) if key in other else node
        changed |= less is not node
        if less is not None:
            found[key] = less
    return found if changed else one


def _less(one: FieldSet, other: FieldSet) -> FieldSet | None:
    if not one:
        return None if member(other) else one
    gone = SELF in one and member(other)
    found, changed = {}, False
    for key, node in one.items():
        if key == SELF:
            less = None if gone else node
        else:
            less = _less(node, other[key]) if key in other else node
        changed |= less is not node
        if less is not None:
            found[key] = less
    if not changed:
        return one
    if len(found) == 1 and SELF in found:
        return LEAF
    return found or None


def without(one: FieldSet, other: FieldSet) -> FieldSet:
    """As `difference`, and without all that lies beneath what is in the other."""
    found, changed = {}, False
    for key, node in one.items():
        less: FieldSet | None = node
        if key in other and key != SELF:
            less = None if member(other[key]) else _without(node, other[key])
        changed |= less is not node
        if less is not None:
            found[key] = less
    return found if changed else one


def _without(one: FieldSet, other: FieldSet) -> FieldSet | None:
    if not one:
        return one
    found = without(one, other)
    if found is one:
        return one
    if len(found) == 1 and SELF in found:
        return LEAF
    return found or None


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in both roots."""
    found = {}
    for key, node in one.items():
        if key in other and key != SELF and (both := _both(node, other[key])) is not None:
            found[key] = both
    return found


def _both(one: FieldSet, other: FieldSet) -> FieldSet | None:
    found = intersection(one, other)
    if member(one) and member(other):
        return {SELF: LEAF, **found} if found else LEAF
    return found or None


def covers(one: FieldSet, other: FieldSet) -> bool:
    """Whether all that is in the other node is in the one. Of two roots, where the other is not empty."""
    if not other:
        return not one or SELF in one
    return all((mine := one.get(key)) is not None and covers(mine, node) for key, node in other.items())


def meets(one: FieldSet, other: FieldSet) -> bool:
    """Whether something is in both roots."""
    for key, node in other.items():
        mine = one.get(key)
        if mine is not None and key != SELF and ((member(mine) and member(node)) or meets(mine, node)):
            return True
    return False


def paths(fields: FieldSet) -> Iterator[Path]:
    """Every path of a root. Those that are one step longer than another come together, before what is beneath them."""
    return _paths(fields, ())


def _paths(node: FieldSet, path: Path) -> Iterator[Path]:
    keys = sorted((key for key in node if key != SELF), key=_rank)
    for key in keys:
        if member(node[key]):
            yield (*path, key)
    for key in keys:
        yield from _paths(node[key], (*path, key))


def within(fields: FieldSet, patterns: Iterable[Path]) -> FieldSet:
    """What lies at or beneath paths of these forms, in which "*" stands for any element."""
    found = EMPTY
    for pattern in patterns:
        found = union(found, _within(fields, pattern))
    return found


def _within(node: FieldSet, pattern: Path) -> FieldSet:
    if not pattern:
        return node
    head, rest = pattern[0], pattern[1:]
    found = {}
    for key, inner in node.items():
        if key != SELF and head in ("*", key) and (not rest or inner):
            left = _within(inner, rest) if rest else inner
            if left or not rest:
                found[key] = left
    return found


def in_order(fields: FieldSet) -> FieldSet:
    """The same tree, its keys as upstream writes them: itself first, names sorted, items by value."""
    if not fields:
        return fields
    keys = sorted(fields)
    if len(keys) > 1 and keys[-1][0] > "f":  # items, which have an order of their own
        keys.sort(key=_rank)
    return {key: in_order(node) if (node := fields[key]) else node for key in keys}


def _rank(key: str) -> tuple[str, Any]:
    if key == SELF or key.startswith("f:"):
        return key[:1], key
    return _rank_of_item(key)


@lru_cache(maxsize=4096)
def _rank_of_item(key: str) -> tuple[str, Any]:
    value = _decode(key[2:])
    if isinstance(value, dict):
        return "k", [(name, _comparable(value[name])) for name in sorted(value)]
    return key[0], _comparable(value)


def _comparable(value: Any) -> tuple[int, Any]:
    """Numbers, then strings, then what is true or false."""
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, int | float):
        return 0, value
    return (1, value) if isinstance(value, str) else (3, str(value))


def shown(path: Path) -> str:
    """A path as messages write it: .spec.containers[name="c"].image"""
    return "".join(map(_shown, path))


def _shown(element: str) -> str:
    if element.startswith("f:"):
        return f".{element[2:]}"
    value = _decode(element[2:])
    if element.startswith("k:"):
        return "[" + ",".join(f"{name}={_literal(value[name])}" for name in sorted(value)) + "]"
    return f"[={_literal(value)}]" if element.startswith("v:") else f"[{value}]"


def _literal(value: Any) -> str:
    return msgspec.json.encode(value).decode()
