"""Operators on numbers, text, lists, times and maps (Common Expression Language, "Standard Definitions")."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from longboat.machinery.cel.errors import EvalError
from longboat.machinery.cel.lib.times import checked_duration, checked_timestamp
from longboat.machinery.cel.values import (
    INT_MAX,
    INT_MIN,
    MISSING,
    NO_OVERLOAD,
    UINT_MAX,
    Duration,
    KeyedList,
    SetList,
    Timestamp,
    Uint,
    compare_numbers,
    contains,
    equal,
    get,
    shown,
    size,
)

_COMPARED = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")
_CROSS = (
    ("int", "double"), ("int", "uint"), ("uint", "double"), ("uint", "int"), ("double", "int"), ("double", "uint"),
)  # fmt: skip
_NAMES = {"_<_": "less", "_<=_": "less_equals", "_>_": "greater", "_>=_": "greater_equals"}


def _table() -> str:
    lines = []
    for sign, name in _NAMES.items():
        lines += [f"{sign} {name}_{_id(each)} ({each} {each}) bool" for each in _COMPARED]
        lines += [f"{sign} {name}_{_id(one)}_{_id(other)} ({one} {other}) bool" for one, other in _CROSS]
    return "\n".join(lines)


def _id(kind: str) -> str:
    return {"int": "int64", "uint": "uint64"}.get(kind, kind)


TABLE = (
    _table()
    + """
_==_ equals (A A) bool
_!=_ not_equals (A A) bool
@in in_list (A [A]) bool
@in in_map (A {A:B}) bool
_?_:_ conditional (bool A A) A
_&&_ logical_and (bool bool) bool
_||_ logical_or (bool bool) bool
!_ logical_not (bool) bool
@not_strictly_false not_strictly_false (bool) bool
_+_ add_bytes (bytes bytes) bytes
_+_ add_double (double double) double
_+_ add_duration_duration (duration duration) duration
_+_ add_duration_timestamp (duration timestamp) timestamp
_+_ add_timestamp_duration (timestamp duration) timestamp
_+_ add_int64 (int int) int
_+_ add_list ([A] [A]) [A]
_+_ add_string (string string) string
_+_ add_uint64 (uint uint) uint
_-_ subtract_double (double double) double
_-_ subtract_duration_duration (duration duration) duration
_-_ subtract_int64 (int int) int
_-_ subtract_timestamp_duration (timestamp duration) timestamp
_-_ subtract_timestamp_timestamp (timestamp timestamp) duration
_-_ subtract_uint64 (uint uint) uint
_*_ multiply_double (double double) double
_*_ multiply_int64 (int int) int
_*_ multiply_uint64 (uint uint) uint
_/_ divide_double (double double) double
_/_ divide_int64 (int int) int
_/_ divide_uint64 (uint uint) uint
_%_ modulo_int64 (int int) int
_%_ modulo_uint64 (uint uint) uint
-_ negate_double (double) double
-_ negate_int64 (int) int
_[_] index_list ([A] int) A
_[_] index_map ({A:B} A) B
_[_] optional_list_index_int (?[V] int) ?V
_[_] optional_map_index_value (?{K:V} K) ?V
_[?_] list_optindex_optional_int ([V] int) ?V
_[?_] optional_list_optindex_optional_int (?[V] int) ?V
_[?_] map_optindex_optional_value ({K:V} K) ?V
_[?_] optional_map_optindex_optional_value (?{K:V} K) ?V
size size_bytes (bytes) int
size size_list ([A]) int
size size_map ({A:B}) int
size size_string (string) int
size bytes_size recv.(bytes) int
size list_size recv.([A]) int
size map_size recv.({A:B}) int
size string_size recv.(string) int
"""
)


def _int(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise EvalError("integer overflow")


def _sum(one: int, other: int) -> int:
    found = one + other
    if INT_MIN <= found <= INT_MAX:
        return found
    raise EvalError("integer overflow")


def _difference(one: int, other: int) -> int:
    found = one - other
    if INT_MIN <= found <= INT_MAX:
        return found
    raise EvalError("integer overflow")


def _uint(value: int) -> Uint:
    if 0 <= value <= UINT_MAX:
        return Uint(value)
    raise EvalError("unsigned integer overflow")


def _over(kind: Callable[[int], int], compute: Callable[[int, int], int]) -> Callable[[int, int], int]:
    return lambda one, other: kind(compute(int(one), int(other)))


def quotient(one: int, other: int) -> int:
    """Towards zero, as Go has it."""
    if not other:
        raise EvalError("division by zero")
    found = abs(one) // abs(other)
    return found if (one < 0) == (other < 0) else -found


def remainder(one: int, other: int) -> int:
    if not other:
        raise EvalError("modulus by zero")
    if one == INT_MIN and other == -1:
        raise EvalError("integer overflow")
    found = abs(one) % abs(other)
    return -found if one < 0 else found


def _divided(one: float, other: float) -> float:
    if other:
        return one / other
    if one != one or not one:
        return float("nan")
    negative = (one < 0) != (str(other)[0] == "-")
    return float("-inf") if negative else float("inf")


def _negated(value: int) -> int:
    return _int(-value)


def _compared(wanted: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def numbers(one: Any, other: Any) -> bool:
        found = compare_numbers(one, other)
        return found is not None and wanted(found, 0)

    return numbers


def index(items: Any, key: Any) -> Any:
    """`items[key]`. Raises EvalError."""
    if isinstance(items, list):
        at = key
        if type(at) is not int:
            if type(at) not in (Uint, float) or at != int(at):
                raise EvalError(f"unsupported index type '{_kind(key)}' in list")
            at = int(at)
        if 0 <= at < len(items):
            return items[at]
        raise EvalError(f"index out of bounds: {at}")
    if isinstance(items, dict):
        found = get(items, key)
        if found is MISSING:
            raise EvalError(f"no such key: {shown(key)}")
        return found
    raise EvalError(NO_OVERLOAD)


def _kind(value: Any) -> str:
    from longboat.machinery.cel.values import type_name

    return type_name(value)


def _joined(one: Any, other: Any) -> Any:
    return one + other


def _lists(one: list[Any], other: list[Any]) -> list[Any]:
    return one.joined(other) if isinstance(one, (SetList, KeyedList)) else [*one, *other]


def _negation(value: Any) -> bool:
    if value is True:
        return False
    if value is False:
        return True
    raise EvalError(NO_OVERLOAD)


def _unplanned(*_: Any) -> Any:
    raise EvalError(NO_OVERLOAD)  # these are built in to the plan


CALLS: dict[str, Callable[..., Any]] = {
    "equals": equal,
    "not_equals": lambda one, other: not equal(one, other),
    "in_list": lambda value, items: contains(items, value),
    "in_map": lambda value, items: contains(items, value),
    "conditional": _unplanned, "logical_and": _unplanned, "logical_or": _unplanned,
    "logical_not": _negation, "not_strictly_false": lambda value: value is not False,
    "add_bytes": _joined, "add_double": _joined, "add_list": _lists, "add_string": _joined,
    "add_duration_duration": lambda a, b: checked_duration(a.nanos + b.nanos),
    "add_duration_timestamp": lambda a, b: checked_timestamp(a.nanos + b.nanos),
    "add_timestamp_duration": lambda a, b: checked_timestamp(a.nanos + b.nanos),
    "add_int64": _sum, "add_uint64": _over(_uint, operator.add),
    "subtract_double": operator.sub,
    "subtract_duration_duration": lambda a, b: checked_duration(a.nanos - b.nanos),
    "subtract_int64": _difference,
    "subtract_timestamp_duration": lambda a, b: checked_timestamp(a.nanos - b.nanos),
    "subtract_timestamp_timestamp": lambda a, b: checked_duration(a.nanos - b.nanos),
    "subtract_uint64": _over(_uint, operator.sub),
    "multiply_double": operator.mul,
    "multiply_int64": _over(_int, operator.mul), "multiply_uint64": _over(_uint, operator.mul),
    "divide_double": _divided,
    "divide_int64": _over(_int, quotient), "divide_uint64": _over(_uint, quotient),
    "modulo_int64": remainder, "modulo_uint64": _over(_uint, remainder),
    "negate_double": operator.neg, "negate_int64": _negated,
    "index_list": index, "index_map": index, "optional_list_index_int": _unplanned,
    "optional_map_index_value": _unplanned, "list_optindex_optional_int": _unplanned,
    "optional_list_optindex_optional_int": _unplanned, "map_optindex_optional_value": _unplanned,
    "optional_map_optindex_optional_value": _unplanned,
}  # fmt: skip
CALLS.update(
    dict.fromkeys(
        ("size_bytes", "size_list", "size_map", "size_string", "bytes_size", "list_size", "map_size", "string_size"),
        size,
    )
)
for _sign, (_direct, _wanted) in {
    "less": (operator.lt, operator.lt), "less_equals": (operator.le, operator.le),
    "greater": (operator.gt, operator.gt), "greater_equals": (operator.ge, operator.ge),
}.items():  # fmt: skip
    CALLS.update({f"{_sign}_{_id(each)}": _direct for each in _COMPARED})
    CALLS.update({f"{_sign}_{_id(one)}_{_id(other)}": _compared(_wanted) for one, other in _CROSS})

__all__ = ["CALLS", "TABLE", "Duration", "Timestamp", "index", "quotient", "remainder"]
