"""`string.format`: what stands for `%s`, `%d`, `%f`, `%e`, `%b`, `%x`, `%X` and `%o` (strings extension, version 2)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from longboat.machinery.cel.errors import EvalError
from longboat.machinery.cel.lib.conversions import CALLS as _CONVERT
from longboat.machinery.cel.values import TypeValue, Uint, type_name

MOST_DIGITS = 1000  # after the point
_CLAUSE = re.compile(r"%(?:(?P<percent>%)|(?:\.(?P<digits>\d*))?(?P<verb>.)?)", re.S)
_QUOTES = str.maketrans({
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"',
})  # fmt: skip
_TEXT = {
    "bool": "bool_to_string", "string": "string_to_string", "bytes": "bytes_to_string", "int": "int64_to_string",
    "uint": "uint64_to_string", "google.protobuf.Timestamp": "timestamp_to_string",
    "google.protobuf.Duration": "duration_to_string",
}  # fmt: skip


def quoted(text: str) -> str:
    """In quotes, with what is not printed escaped."""
    return f'"{text.translate(_QUOTES)}"'


def clauses(text: str) -> Iterator[tuple[str, str, int]]:
    """The parts of a format: text that stays and "", or "" with the verb and its precision (-1 is none).

    Raises EvalError.
    """
    at = 0
    for found in _CLAUSE.finditer(text):
        if found.start() > at:
            yield text[at : found.start()], "", -1
        at = found.end()
        if found["percent"]:
            yield "%", "", -1
            continue
        verb, digits = found["verb"], found["digits"]
        if verb is None:
            raise EvalError("could not parse formatting clause: unexpected end of string")
        if verb not in "sdfebxXo":
            raise EvalError(f'could not parse formatting clause: unrecognized formatting clause "{verb}"')
        precision = -1
        if digits is not None:
            if not digits:
                raise EvalError("could not parse formatting clause: error while parsing precision: no precision")
            precision = int(digits[:9])
            if precision > MOST_DIGITS:
                raise EvalError(f"could not parse formatting clause: precision {digits} exceeds {MOST_DIGITS}")
        yield "", verb, precision
    if at < len(text):
        yield text[at:], "", -1


def formatted(text: str, args: list[Any]) -> str:
    """Raises EvalError in upstream's words."""
    made: list[str] = []
    used = 0
    for kept, verb, precision in clauses(text):
        if not verb:
            made.append(kept)
            continue
        if used >= len(args):
            raise EvalError(f"index {used} out of range")
        made.append(_VERBS[verb](args[used], 6 if precision < 0 else precision))
        used += 1
    return "".join(made)


def _refused(clause: str, allowed: str, value: Any) -> EvalError:
    return EvalError(
        f"error during formatting: {clause} clause can only be used on {allowed}, was given {type_name(value)}"
    )


def _text(value: Any, _: int = 0) -> str:
    kind = type_name(value)
    if kind == "list":
        return "[" + ", ".join(map(_text, value)) + "]"
    if kind == "map":
        pairs = sorted((_key(key), _text(each)) for key, each in value.items())
        return "{" + ", ".join(f"{key}: {each}" for key, each in pairs) + "}"
    if kind == "double":
        return _double(value)
    if isinstance(value, TypeValue):
        return value.name
    if value is None:
        return "null"
    if kind in _TEXT:
        found: str = _CONVERT[_TEXT[kind]](value)
        return found
    raise _refused(
        "string", "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps", value
    )


def _key(key: Any) -> str:
    if type_name(key) not in ("string", "bool", "int", "uint"):
        raise EvalError(f"error during formatting: no formatting function for map key of type {type_name(key)}")
    return _text(key)


def _double(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    found: str = _CONVERT["double_to_string"](value)
    return found


def _decimal(value: Any, _: int) -> str:
    if type(value) in (int, Uint):
        return str(int(value))
    if type(value) is float and not math.isfinite(value):
        return _double(value)
    raise _refused("decimal", "integers", value)


def _fixed(clause: str, verb: str) -> Callable[[Any, int], str]:
    def form(value: Any, precision: int) -> str:
        if type(value) not in (int, Uint, float):
            if value in ("NaN", "Infinity", "-Infinity"):
                return str(value)
            raise _refused(clause, "doubles", value)
        if not math.isfinite(value):
            return _double(value)
        return f"{value:.{precision}{verb}}"

    return form


def _binary(value: Any, _: int) -> str:
    if type(value) in (int, Uint, bool):
        return f"{int(value):b}"
    raise _refused("only integers and bools can be formatted as binary,", "integers and bools", value)


def _hex(upper: bool) -> Callable[[Any, int], str]:
    def form(value: Any, _: int) -> str:
        if type(value) in (int, Uint):
            found = f"{int(value):x}"
        elif isinstance(value, (str, bytes)):
            found = (value.encode() if isinstance(value, str) else value).hex()
        else:
            raise _refused("hex", "integers, byte buffers, and strings", value)
        return found.upper() if upper else found

    return form


def _octal(value: Any, _: int) -> str:
    if type(value) in (int, Uint):
        return f"{int(value):o}"
    raise _refused("octal", "integers", value)


_VERBS: dict[str, Callable[[Any, int], str]] = {
    "s": _text, "d": _decimal, "f": _fixed("fixed-point", "f"), "e": _fixed("scientific", "e"), "b": _binary,
    "x": _hex(upper=False), "X": _hex(upper=True), "o": _octal,
}  # fmt: skip
