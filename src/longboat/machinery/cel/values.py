"""Values of expressions: what JSON has is as it is; the rest has classes here. And when two of them are equal.

A map is a dict, a list a list, int an int; uint, timestamps, durations and optionals are told apart by their class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from longboat.machinery.cel.errors import EvalError

INT_MIN, INT_MAX, UINT_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
MISSING: Any = object()
NO_OVERLOAD = "no such overload"


class Uint(int):
    """An unsigned 64-bit integer."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """Nanoseconds since 1970."""

    nanos: int


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    nanos: int


class Optional:
    """A value, or none (`MISSING`)."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __bool__(self) -> bool:
        return self.value is not MISSING


NONE = Optional(MISSING)


@dataclass(frozen=True, slots=True)
class TypeValue:
    """What `type()` gives."""

    name: str


class SetList(list[Any]):
    """A list whose order says nothing (`x-kubernetes-list-type: set`)."""

    def same(self, other: list[Any]) -> bool:
        if len(self) != len(other):
            return False
        known = set(map(key, self))
        return all(key(each) in known for each in other)

    def joined(self, other: list[Any]) -> SetList:
        """With what is new in the other."""
        known = set(map(key, self))
        return SetList([*self, *(each for each in other if key(each) not in known)])


class KeyedList(list[Any]):
    """A list of objects that are told apart by keys (`x-kubernetes-list-type: map`)."""

    __slots__ = ("keys",)

    def __init__(self, items: Iterable[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys

    def _by_key(self, items: list[Any]) -> dict[Any, Any]:
        return {tuple(str(item.get(key, "")) for key in self.keys): item for item in items}

    def same(self, other: list[Any]) -> bool:
        if len(self) != len(other):
            return False
        ours = self._by_key(self)
        return all(key in ours and equal(ours[key], item) for key, item in self._by_key(other).items())

    def joined(self, other: list[Any]) -> KeyedList:
        """With the other's in place of those with the same keys, and those that are new."""
        return KeyedList({**self._by_key(self), **self._by_key(other)}.values(), self.keys)


class Record(dict[str, Any]):
    """An object that an expression makes: `Object{…}`. `struct` is the name of its type."""

    def __init__(self, struct: str, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.struct = struct


_NAMES: dict[type, str] = {
    bool: "bool", int: "int", Uint: "uint", float: "double", str: "string", bytes: "bytes", list: "list",
    dict: "map", type(None): "null_type", Timestamp: "google.protobuf.Timestamp", Duration: "google.protobuf.Duration",
    Optional: "optional_type", TypeValue: "type",
}  # fmt: skip


def type_name(value: Any) -> str:
    """The name of a value's type, as `type()` has it."""
    found = _NAMES.get(type(value))
    if found is not None:
        return found
    return value.struct if isinstance(value, Record) else getattr(value, "cel_type", type(value).__name__)


def size(value: Any) -> int:
    """What a value counts for when it is walked over; 1 for what has no size."""
    kind = type(value)
    if kind is str or kind is bytes or kind is list or kind is dict:
        return len(value)
    if isinstance(value, (dict, list)):
        return len(value)
    return getattr(value, "cel_size", 1)


_PLAIN = (str, int, bool, bytes, type(None), Uint)


def equal(one: Any, other: Any) -> bool:
    """Numbers are compared across their types; what is of different types is unequal."""
    kind, other_kind = type(one), type(other)
    if kind is other_kind:
        if kind is list:
            if len(one) != len(other):
                return False
            return _equal_lists(one, other)
        if kind is dict:
            return _equal_maps(one, other)
        if kind is Optional:
            if one.value is MISSING or other.value is MISSING:
                return one.value is other.value
            return equal(one.value, other.value)
        if isinstance(one, (SetList, KeyedList)):
            return one.same(other)
        return bool(one == other)
    if kind in _NUMBERS and other_kind in _NUMBERS:
        return compare_numbers(one, other) == 0
    if isinstance(one, dict) and isinstance(other, dict):
        return _equal_maps(one, other)
    if isinstance(one, list) and isinstance(other, list):
        return one.same(other) if isinstance(one, (SetList, KeyedList)) else equal(list(one), list(other))
    return False


def _equal_lists(one: list[Any], other: list[Any]) -> bool:
    """Of as many items. Python compares scalars of one type at once; only True is 1 to it."""
    kinds = set(map(type, one))
    if len(kinds) == 1 and kinds <= _ALIKE:
        if one != other:
            return False
        return kinds <= _LETTERS or (bool in kinds) == (bool in set(map(type, other)))
    return all(map(equal, one, other))


def _equal_maps(one: dict[Any, Any], other: dict[Any, Any]) -> bool:
    if len(one) != len(other):
        return False
    for name, value in one.items():
        found = other.get(name, MISSING) if type(name) is str else get(other, name)
        kind = type(value)
        if kind is type(found) and kind in _ALIKE:
            if value != found:
                return False
        elif found is MISSING or not equal(value, found):
            return False
    return True


_NUMBERS = frozenset((int, Uint, float))
_ALIKE = frozenset((str, int, float, bool, bytes))  # equal as Python has it
_LETTERS = frozenset((str, bytes))  # and to nothing else


def compare_numbers(one: Any, other: Any) -> int | None:
    """-1, 0 or 1; none where one is not a number (NaN)."""
    if type(one) is float or type(other) is float:
        if one != one or other != other:
            return None
        if math.isfinite(one) and math.isfinite(other):
            one, other = float(one), float(other)
    return int(one > other) - int(one < other)


_SMALL = frozenset((int, float, bool, type(None), Uint, Timestamp, Duration))


class _Alone:
    """The key of what is equal to nothing."""


def key(value: Any) -> Any:
    """What is the same for values that are equal, and for no others."""
    kind = type(value)
    if kind is str or value is None or kind is bytes:
        return value
    if kind is bool:
        return (bool, value)
    if kind in _NUMBERS:
        return value if value == value else _Alone()
    if isinstance(value, (SetList, KeyedList)):
        return (list, frozenset(map(key, value)))
    if isinstance(value, list):
        return (list, tuple(map(key, value)))
    if isinstance(value, dict):
        return (dict, frozenset((key(name), key(each)) for name, each in value.items()))
    if isinstance(value, Optional):
        return (Optional, value.value if value.value is MISSING else key(value.value))
    return (kind, value)


def nodes(value: Any, most: int) -> int:
    """How many values are in a value, each list and map as four, and a thousand letters as one more; not counted beyond
    `most`: what comparing or showing it takes."""
    total, left = 1, [value]
    while left and total <= most:
        each = left.pop()
        if isinstance(each, Optional):
            each = [each.value]
        if isinstance(each, str):
            total += len(each) >> 10
            continue
        total += len(each) + 3
        inner = each.values() if isinstance(each, dict) else each
        kinds = set(map(type, inner))
        if kinds == {str}:
            total += sum(map(len, inner)) >> 10
        elif not kinds <= _SMALL:
            left += [one for one in inner if isinstance(one, (str, list, dict, Optional))]
    return total


def get(mapping: dict[Any, Any], key: Any) -> Any:
    """The value of a key, or MISSING; a number finds an equal one of another type."""
    kind = type(key)
    if kind is str:
        return mapping.get(key, MISSING)
    if kind not in (int, Uint, bool, float):
        return MISSING
    if kind is float:
        if not key.is_integer():
            return MISSING
        key = int(key)
    found = mapping.get(key, MISSING)
    if found is not MISSING and 0 <= key <= 1:  # True is 1 to Python
        for each in mapping:
            if each == key:
                return found if (type(each) is bool) == (kind is bool) else MISSING
    return found


def contains(items: Any, value: Any) -> bool:
    """Whether a list has an item, or a map a key."""
    if isinstance(items, dict):
        return get(items, value) is not MISSING
    if not isinstance(items, list):
        raise EvalError(NO_OVERLOAD)
    if type(value) is str:
        return value in items
    return any(equal(each, value) for each in items)


def shown(value: Any) -> str:
    """As Go prints a key that is not there."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def register(cls: type, name: str) -> None:
    """Name the type of a library's values."""
    _NAMES[cls] = name


register(SetList, "list")
register(KeyedList, "list")
