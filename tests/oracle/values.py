"""JSON values: one place of a base changed, the parts that count kept, the differences between two."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

ABSENT = "<absent>"


class Difference(NamedTuple):
    path: str
    expected: Any
    got: Any


def differences(expected: Any, got: Any, path: str = "") -> Iterator[Difference]:
    """Every place in which two values differ, in the order of the first; where one of them lacks it, it is `ABSENT`."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in [*expected, *(key for key in got if key not in expected)]:
            yield from differences(expected.get(key, ABSENT), got.get(key, ABSENT), f"{path}.{key}")
    elif isinstance(expected, list) and isinstance(got, list):
        for index in range(max(len(expected), len(got))):
            left = expected[index] if index < len(expected) else ABSENT
            right = got[index] if index < len(got) else ABSENT
            yield from differences(left, right, f"{path}[{index}]")
    elif expected != got or isinstance(expected, bool) != isinstance(got, bool):
        yield Difference(path or ".", expected, got)


def changed(body: Any, change: dict[str, Any]) -> Any:
    """A copy of a body with the place at `change["path"]` set to its `value`, or removed."""
    result = copy.deepcopy(body)
    place = result
    *way, last = change["path"]
    for key in way:
        place = place[key]
    if change.get("remove"):
        del place[last]
    else:
        place[last] = change["value"]
    return result


def pick(value: Any, paths: list[list[Any]]) -> Any:
    """Only what lies on the paths. A path is a list of keys, `*` for all members, a mapping for those that have it."""
    result = None
    for path in paths:
        result = _merged(result, _picked(value, path))
    return result


def _picked(value: Any, path: list[Any]) -> Any:
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        if step == "*":
            return {name: _picked(item, rest) for name, item in value.items()}
        return {step: _picked(value[step], rest)} if not isinstance(step, dict) and step in value else {}
    if isinstance(value, list):
        if isinstance(step, dict):
            chosen = [item for item in value if _matches(item, step)]
            return [{**step, **_picked(item, rest)} if rest else item for item in chosen]
        return [_picked(item, rest) for item in value]
    return None


def _matches(item: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(item, dict) and all(_matches(item.get(key), value) for key, value in wanted.items())
    return bool(item == wanted)


def _merged(left: Any, right: Any) -> Any:
    if isinstance(left, dict) and isinstance(right, dict):
        return {**left, **{name: _merged(left.get(name), item) for name, item in right.items()}}
    if isinstance(left, list) and isinstance(right, list):
        if len(left) == len(right):
            return [_merged(one, other) for one, other in zip(left, right, strict=True)]
        return left + right
    return left if right is None else right


def short(value: Any, width: int = 300) -> str:
    """The value as one line of JSON, cut at a width."""
    text = value if value is ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= width else text[:width] + "…"
