"""JSONPath as kubectl and printer columns have it (client-go, util/jsonpath), for one path without templates.

`.spec.names[0]`, `['a.b']`, `[1:3]`, `[-1]`, `[*]`, `..field`, `[?(@.type=="Ready")].status`; a backslash keeps the
sign after it. What is not there is no result; what cannot be asked of a value (an index of a map) is an error.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

Step = Callable[[Any], Iterable[Any]]
LONGEST = 4096  # characters of a path
MOST = 10_000  # values that a path may pass through, so that `..` ends

_NAME = re.compile(r"(?:\\.|[^.\[\]\\])+")
_KEYS = re.compile(
    r"\s*(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")(?:\s*,\s*(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"))*\s*"
)
_KEY = re.compile(r"'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"")
_RANGE = re.compile(r"(-?\d+)?(?::(-?\d+)?(?::(-?\d+)?)?)?")
_SIGN = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|(==|!=|<=|>=|<|>)|.", re.DOTALL)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip


class Unfit(Exception):
    """The value is not one that the path can be followed through."""


class JSONPath:
    """Raises ValueError for a text that is no path."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise ValueError(f"a path of more than {LONGEST} characters")
        self._steps = _parse(text)

    def first(self, value: Any) -> Any:
        """The first result; None where there is none, or the value does not fit."""
        return next(self.results(value), None)

    def results(self, value: Any) -> Iterator[Any]:
        """Ends where a value does not fit."""
        found: list[Any] = [value]
        try:
            for step in self._steps:
                found = _few(result for each in found for result in step(each))
        except Unfit:
            return
        yield from found


def _few(values: Iterable[Any]) -> list[Any]:
    found = []
    for value in values:
        found.append(value)
        if len(found) > MOST:
            raise Unfit
    return found


def _parse(text: str) -> list[Step]:
    steps: list[Step] = []
    at = 0
    while at < len(text):
        if text.startswith("..", at):
            steps.append(_everywhere)
            at += 1 if text[at + 2 : at + 3] not in ("[", "") else 2
        elif text[at] == "[":
            end = _closing(text, at)
            steps.append(_bracketed(text[at + 1 : end]))
            at = end + 1
        elif text[at] == "." and text[at + 1 : at + 2] in ("", "["):
            at += 1
        elif text[at] == "." and (name := _NAME.match(text, at + 1)):
            steps.append(_elements if name[0] == "*" else _field(_plain(name[0])))
            at = name.end()
        else:
            raise ValueError(f"unexpected {text[at:]!r}")
    return steps


def _closing(text: str, start: int) -> int:
    quote, depth, at = "", 0, start
    while at < len(text):
        sign = text[at]
        if quote:
            at += sign == "\\"
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign == "[":
            depth += 1
        elif sign == "]":
            depth -= 1
            if not depth:
                return at
        at += 1
    raise ValueError("unterminated array")


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _bracketed(inner: str) -> Step:
    if inner.strip() == "*":
        return _elements
    if _KEYS.fullmatch(inner):
        fields = [_field(_plain(a or b)) for a, b in _KEY.findall(inner)]
        return lambda value: (result for field in fields for result in field(value))
    if inner.startswith("?(") and inner.rstrip().endswith(")"):
        return _filter(*_compared(inner.rstrip()[2:-1]))
    ranges = [_RANGE.fullmatch(part.strip()) for part in inner.split(",")]
    if not inner.strip() or any(found is None for found in ranges):
        raise ValueError(f"invalid array index {inner}")
    steps = [_slice(found[0], [part and int(part) for part in found.groups()]) for found in ranges if found]
    return lambda value: (result for step in steps for result in step(value))


def _compared(text: str) -> tuple[str, str, str]:
    """What is compared with what, and how; nothing where it only has to be there."""
    for found in _SIGN.finditer(text):
        if found[1]:
            return text[: found.start()].strip(), found[1], text[found.end() :].strip()
    return text.strip(), "", ""


def _field(name: str) -> Step:
    return lambda value: (value[name],) if isinstance(value, dict) and name in value else ()


def _elements(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _everywhere(value: Any) -> Iterator[Any]:
    yield value
    left = [iter(_elements(value))]
    while left:
        if (each := next(left[-1], left)) is left:
            left.pop()
            continue
        yield each
        left.append(iter(_elements(each)))


def _slice(text: str, parts: list[Any]) -> Step:
    start, stop, pace = parts

    def chosen(value: Any) -> Iterable[Any]:
        if value is None:
            return ()
        if not isinstance(value, list):
            raise Unfit
        if ":" in text:
            if pace is not None and pace <= 0:
                raise Unfit
            return value[start:stop:pace]
        if not -len(value) <= start < len(value):
            raise Unfit
        return (value[start],)

    return chosen


def _filter(left: str, sign: str, right: str) -> Step:
    one, other = _operand(left), _operand(right) if sign else None

    def passes(each: Any) -> bool:
        found = list(one(each))
        if other is None:
            return bool(found)
        against = list(other(each))
        if not found or not against:
            return False
        if len(found) > 1 or len(against) > 1 or not _alike(found[0], against[0]):
            raise Unfit
        return _COMPARE[sign](found[0], against[0])

    def chosen(value: Any) -> Iterable[Any]:
        if value is None:
            return ()
        if not isinstance(value, list):
            raise Unfit
        return (each for each in value if passes(each))

    return chosen


def _operand(text: str) -> Step:
    if text.startswith("@"):
        path = JSONPath(text[1:])
        return path.results
    if (quoted := _KEY.fullmatch(text)) is not None:
        value: Any = _plain(quoted[1] or quoted[2] or "")
    else:
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise ValueError(f"unrecognized {text}") from error
    return lambda _: (value,)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return isinstance(one, bool) and isinstance(other, bool)
    if isinstance(one, (int, float)):
        return isinstance(other, (int, float))
    return isinstance(one, str) and isinstance(other, str)
