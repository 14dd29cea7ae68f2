"""What evaluating takes that cel-go's units say nothing of: lists that are copied, values that are compared to their
depths, what is converted before it can be looked at.

An expression may make so many visits to values for each unit of its budget; one that needs more is ended like one that
costs too much. So what a unit takes is bounded, in time and in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longboat.machinery.cel.errors import CostExceeded
from longboat.machinery.cel.values import Optional, nodes, size

BUDGET, VISITS, MEMO, FIRST = 0, 1, 2, 3  # places in a frame: what is left of each, what was converted, and variables
PER_UNIT = 4  # visits
OF_REQUEST = 40_000_000
_OF_ZONE = 500  # files are looked for
_LETTERS = 8  # that are copied in the time of a visit

Frame = list[Any]
Visits = Callable[[list[Any]], int]


class Effort:
    """What all expressions about one request may take together, and what they have converted."""

    __slots__ = ("left", "memo")

    def __init__(self, left: int = OF_REQUEST) -> None:
        self.left = left
        self.memo: dict[tuple[int, int], tuple[Any, Any]] = {}


class Whole:
    """Makes a value of all that is in a list, a map or a text. That is done once, however often it is read."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make

    def __call__(self, value: Any) -> Any:
        return None if value is None else self._make(value)

    def once(self, value: Any, frame: Frame) -> Any:
        """Raises CostExceeded."""
        key = (id(value), id(self))
        found = frame[MEMO].get(key)
        if found is None:
            if isinstance(value, (list, dict)):
                visit(frame, len(value))
            found = frame[MEMO][key] = (value, self(value))  # kept, so that no other value has its place
        return found[1]


def applied(convert: Callable[[Any], Any], value: Any, frame: Frame) -> Any:
    return convert.once(value, frame) if isinstance(convert, Whole) else convert(value)


def visit(frame: Frame, count: int) -> None:
    """Raises CostExceeded."""
    frame[VISITS] -= count
    if frame[VISITS] < 0:
        raise CostExceeded


def compared(frame: Frame, value: Any) -> None:
    """Two values are compared, of which this is one. Raises CostExceeded."""
    if isinstance(value, (list, dict, Optional)):
        visit(frame, nodes(value, frame[VISITS]))


_MOST = 1 << 40


def _added(args: list[Any]) -> int:
    return sum(len(each) for each in args if isinstance(each, list))


def _all(args: list[Any]) -> int:
    return sum(nodes(each, _MOST) for each in args)


def _replaced(args: list[Any]) -> int:
    text, old, new, *most = args
    if not all(isinstance(each, str) for each in (text, old, new)):
        return 0
    count: int = text.count(old)
    if most and isinstance(most[0], int) and most[0] >= 0:
        count = min(count, most[0])
    return max(0, len(text) + count * (len(new) - len(old))) // _LETTERS


def _flattened(args: list[Any]) -> int:
    items, depth = args[0], args[1] if len(args) > 1 else 1
    total = 0
    level: list[list[Any]] = [items] if isinstance(items, list) else []
    for _ in range(min(depth, 64) if isinstance(depth, int) else 0):
        total += sum(map(len, level))
        level = [each for items in level for each in items if isinstance(each, list)]
        if not level or total > _MOST:
            break
    return total + sum(map(len, level))


def _sought(items: int, value: int) -> Visits:
    def visits(args: list[Any]) -> int:
        held, wanted = args[items], args[value]
        if isinstance(held, list) and isinstance(wanted, (list, dict)):
            return len(held) * nodes(wanted, _MOST)
        return size(held)

    return visits


def _query(args: list[Any]) -> int:
    return len(getattr(args[0], "text", "")) // 2


_BY_NAME: dict[str, Visits] = {
    "_+_": _added, "format": lambda args: 4 * _all(args[1:]), "replace": _replaced, "flatten": _flattened,
    "distinct": _all,
    "sets.contains": _all, "sets.equivalent": _all, "sets.intersects": _all,
    **dict.fromkeys(("isSorted", "sum", "max", "min"), lambda args: size(args[0])),
    "@in": _sought(1, 0), "indexOf": _sought(0, 1), "lastIndexOf": _sought(0, 1),
    **dict.fromkeys(("getQuery", "getEscapedPath", "getHost", "getHostname", "getPort"), _query),
    **dict.fromkeys(
        ("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours",
         "getMinutes", "getSeconds", "getMilliseconds"),
        lambda args: _OF_ZONE if len(args) > 1 else 0,
    ),
}  # fmt: skip
_SCALARS = frozenset(("int", "uint", "double", "string", "bytes", "timestamp", "duration", "bool"))


def of(function: str, kinds: list[str]) -> Visits | None:
    """How many visits a call makes, of its arguments; None where its cost says enough. `kinds`: their types."""
    if function in ("_+_", "@in") and kinds[0] in _SCALARS:
        return None
    if function in ("indexOf", "lastIndexOf") and kinds[0] == "string":
        return None
    if function.startswith("get") and len(kinds) == 1 and function in _BY_NAME and _BY_NAME[function] is not _query:
        return None
    return _BY_NAME.get(function)
