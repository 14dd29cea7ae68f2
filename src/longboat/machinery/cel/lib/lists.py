"""Lists: Kubernetes' own functions and the lists extension in version 3; sets; and what maps are made with."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cmp_to_key
from itertools import islice
from typing import Any

from longboat.machinery.cel.errors import EvalError
from longboat.machinery.cel.functions import each_of
from longboat.machinery.cel.lib.times import checked_duration
from longboat.machinery.cel.values import (
    INT_MAX,
    INT_MIN,
    MISSING,
    UINT_MAX,
    Duration,
    Uint,
    compare_numbers,
    equal,
    get,
    key,
    shown,
    type_name,
)

MOST_RANGE = 10_000_000
_COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
_SUMMED = ("int", "uint", "double", "duration")
TABLE = "\n".join(
    (
        each_of("isSorted list_@_is_sorted_bool recv.([@]) bool", _COMPARABLE),
        each_of("sum list_@_sum_@ recv.([@]) @", _SUMMED),
        each_of("max list_@_max_@ recv.([@]) @", _COMPARABLE),
        each_of("min list_@_min_@ recv.([@]) @", _COMPARABLE),
        each_of("sort list_@_sort recv.([@]) [@]", _COMPARABLE),
        each_of("@sortByAssociatedKeys list_~_sortByAssociatedKeys recv.([T] [~]) [T]".replace("~", "%"), ("@",)),
        """
indexOf list_a_index_of_int recv.([A] A) int
lastIndexOf list_a_last_index_of_int recv.([A] A) int
slice list_slice recv.([T] int int) [T]
flatten list_flatten recv.([[T]]) [T]
flatten list_flatten_int recv.([dyn] int) [dyn]
lists.range lists_range (int) [int]
reverse list_reverse recv.([T]) [T]
distinct list_distinct recv.([T]) [T]
sets.contains list_sets_contains_list ([T] [T]) bool
sets.equivalent list_sets_equivalent_list ([T] [T]) bool
sets.intersects list_sets_intersects_list ([T] [T]) bool
cel.@mapInsert @mapInsert_map_key_value ({K:V} K V) {K:V}
cel.@mapInsert @mapInsert_map_map ({K:V} {K:V}) {K:V}
""",
    )
)
TABLE = "\n".join(
    line.replace("%", kind) for line in TABLE.splitlines() for kind in (_COMPARABLE if "%" in line else ("",))
)


def _order(one: Any, other: Any) -> int:
    if type(one) in (int, Uint, float):
        return compare_numbers(one, other) or 0
    return int(one > other) - int(one < other)


_PLAIN = frozenset((int, str, bytes))  # ordered as Python has it


def _plain(items: list[Any]) -> bool:
    kinds = set(map(type, items))
    return len(kinds) == 1 and kinds <= _PLAIN


def _is_sorted(items: list[Any]) -> bool:
    if _plain(items):
        return all(map(operator.le, items, islice(items, 1, None)))
    return all(_order(items[i], items[i + 1]) <= 0 for i in range(len(items) - 1))


def _sum(kind: str) -> Callable[[list[Any]], Any]:
    def add(items: list[Any]) -> Any:
        if kind == "duration":
            total = Duration(0)
            for item in items:
                total = checked_duration(total.nanos + item.nanos)
            return total
        if kind == "double":
            return float(sum(items))
        number = 0
        for item in items:
            number += item
            if kind == "uint" and number > UINT_MAX:
                raise EvalError("unsigned integer overflow")
            if kind == "int" and not INT_MIN <= number <= INT_MAX:
                raise EvalError("integer overflow")
        return Uint(number) if kind == "uint" else number

    return add


def _extreme(name: str, wanted: int) -> Callable[[list[Any]], Any]:
    def find(items: list[Any]) -> Any:
        if not items:
            raise EvalError(f"{name} called on empty list")
        if _plain(items):
            return max(items) if wanted < 0 else min(items)
        found = items[0]
        for item in items[1:]:
            if _order(found, item) == wanted:
                found = item
        return found

    return find


def _index_of(items: list[Any], value: Any) -> int:
    return next((i for i, item in enumerate(items) if equal(item, value)), -1)


def _last_index_of(items: list[Any], value: Any) -> int:
    return next((i for i in range(len(items) - 1, -1, -1) if equal(items[i], value)), -1)


def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    if start < 0 or end < 0:
        raise EvalError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise EvalError(f"cannot slice({start}, {end}), start index must be less than or equal to end index")
    if len(items) < end:
        raise EvalError(f"cannot slice({start}, {end}), list is length {len(items)}")
    return items[start:end]


def _flatten(items: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise EvalError("level must be non-negative")
    flat: list[Any] = []
    for item in items:
        if isinstance(item, list) and depth:
            flat.extend(_flatten(item, depth - 1))
        else:
            flat.append(item)
    return flat


def _range(count: int) -> list[int]:
    if count < 0:
        raise EvalError(f"lists.range: size must be non-negative, got {count}")
    if count > MOST_RANGE:
        raise EvalError(f"lists.range: size {count} exceeds maximum allowed ({MOST_RANGE})")
    return list(range(count))


def _sort_by(items: list[Any], keys: list[Any]) -> list[Any]:
    if len(items) != len(keys):
        raise EvalError(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got "
            f"{len(items)} and {len(keys)} elements respectively"
        )
    if len({type_name(each) for each in keys}) > 1:
        raise EvalError("list elements must have the same type")

    def order(one: int, other: int) -> int:
        return _order(keys[one], keys[other])

    places = sorted(range(len(keys)), key=cmp_to_key(order))
    return [items[i] for i in places]


def _distinct(items: list[Any]) -> list[Any]:
    known: set[Any] = set()
    found: list[Any] = []
    for item in items:
        if (mark := key(item)) not in known:
            known.add(mark)
            found.append(item)
    return found


def _has_all(items: list[Any], others: list[Any]) -> bool:
    return set(map(key, items)).issuperset(map(key, others))


def _has_any(items: list[Any], others: list[Any]) -> bool:
    return not set(map(key, items)).isdisjoint(map(key, others))


def inserted(into: dict[Any, Any], name: Any, value: Any) -> dict[Any, Any]:
    """Put an entry in, in place: the map is one that is being made. Raises EvalError for a key that is there."""
    if get(into, name) is not MISSING:
        raise EvalError(f"insert failed: key {shown(name)} already exists")
    into[name] = value
    return into


def _unplanned(*_: Any) -> Any:
    raise EvalError("no such overload")  # only comprehensions call it, and those are planned


CALLS: dict[str, Callable[..., Any]] = {
    "list_a_index_of_int": _index_of, "list_a_last_index_of_int": _last_index_of, "list_slice": _slice,
    "list_flatten": _flatten, "list_flatten_int": _flatten, "lists_range": _range,
    "list_reverse": lambda items: items[::-1], "list_distinct": _distinct,
    "list_sets_contains_list": _has_all,
    "list_sets_equivalent_list": lambda one, other: _has_all(one, other) and _has_all(other, one),
    "list_sets_intersects_list": _has_any,
    "@mapInsert_map_key_value": _unplanned, "@mapInsert_map_map": _unplanned,
}  # fmt: skip
for _kind in _COMPARABLE:
    CALLS[f"list_{_kind}_is_sorted_bool"] = _is_sorted
    CALLS[f"list_{_kind}_max_{_kind}"] = _extreme("max", -1)
    CALLS[f"list_{_kind}_min_{_kind}"] = _extreme("min", 1)
    CALLS[f"list_{_kind}_sort"] = lambda items: _sort_by(items, items)
    CALLS[f"list_{_kind}_sortByAssociatedKeys"] = _sort_by
for _kind in _SUMMED:
    CALLS[f"list_{_kind}_sum_{_kind}"] = _sum(_kind)
