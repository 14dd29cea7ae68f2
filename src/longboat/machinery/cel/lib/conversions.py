"""From one type to another (Common Expression Language, "Standard Definitions": bool, bytes, double, int, string…)."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from longboat.machinery.cel.errors import EvalError
from longboat.machinery.cel.lib.times import (
    SECOND,
    checked_duration,
    checked_timestamp,
    duration,
    duration_text,
    timestamp,
    timestamp_text,
)
from longboat.machinery.cel.values import INT_MAX, INT_MIN, UINT_MAX, TypeValue, Uint, type_name

TABLE = """
bool bool_to_bool (bool) bool
bool string_to_bool (string) bool
bytes bytes_to_bytes (bytes) bytes
bytes string_to_bytes (string) bytes
double double_to_double (double) double
double int64_to_double (int) double
double string_to_double (string) double
double uint64_to_double (uint) double
duration duration_to_duration (duration) duration
duration int64_to_duration (int) duration
duration string_to_duration (string) duration
dyn to_dyn (A) dyn
int double_to_int64 (double) int
int duration_to_int64 (duration) int
int int64_to_int64 (int) int
int string_to_int64 (string) int
int timestamp_to_int64 (timestamp) int
int uint64_to_int64 (uint) int
string bool_to_string (bool) string
string bytes_to_string (bytes) string
string double_to_string (double) string
string duration_to_string (duration) string
string int64_to_string (int) string
string string_to_string (string) string
string timestamp_to_string (timestamp) string
string uint64_to_string (uint) string
timestamp int64_to_timestamp (int) timestamp
timestamp string_to_timestamp (string) timestamp
timestamp timestamp_to_timestamp (timestamp) timestamp
type type (A) type:A
uint double_to_uint64 (double) uint
uint int64_to_uint64 (int) uint
uint string_to_uint64 (string) uint
uint uint64_to_uint64 (uint) uint
"""
FUNCTIONS = frozenset(("bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"))
_BOOLS = {"1": True, "t": True, "true": True, "TRUE": True, "True": True, "T": True} | {
    "0": False, "f": False, "false": False, "FALSE": False, "False": False, "F": False
}  # fmt: skip


def _mismatch(one: str, other: str) -> EvalError:
    return EvalError(f"type conversion error from '{one}' to '{other}'")


def _read(kind: str, read: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return read(text)
        except (ValueError, KeyError, OverflowError) as error:
            raise _mismatch("string", kind) from error

    return convert


def _digits(text: str, signed: bool) -> int:
    body = text[1:] if text[:1] in ("+", "-") and signed else text
    if not (body.isascii() and body.isdecimal()) or len(body) > 40:
        raise ValueError("not a number")
    return int(text)


def _int_of(text: str) -> int:
    found = _digits(text, signed=True)
    if not INT_MIN <= found <= INT_MAX:
        raise ValueError("out of range")
    return found


def _uint_of(text: str) -> Uint:
    found = _digits(text, signed=False)
    if found > UINT_MAX:
        raise ValueError("out of range")
    return Uint(found)


def _double_of(text: str) -> float:
    if text != text.strip() or "_" in text or len(text) > 2000:
        raise ValueError("not a number")
    found = float(text)
    if math.isinf(found) and "inf" not in text.lower():
        raise ValueError("out of range")
    return found


def _whole(value: float) -> int:
    if not -9223372036854775808.0 < value < 9223372036854775808.0:
        raise EvalError("integer overflow")
    return int(value)


def _whole_unsigned(value: float) -> Uint:
    if not 0 <= value < 18446744073709551616.0:
        raise EvalError("unsigned integer overflow")
    return Uint(int(value))


def _signed(value: int) -> int:
    if value > INT_MAX:
        raise EvalError("integer overflow")
    return int(value)


def _unsigned(value: int) -> Uint:
    if value < 0:
        raise EvalError("unsigned integer overflow")
    return Uint(value)


def double_text(value: float) -> str:
    """As Go's %g has it, with the fewest digits that give the number."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if not value:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    power = len(digits) - 1 + int(exponent)
    if -4 <= power < 21:
        return f"{Decimal(repr(value)).normalize():f}"
    text = "".join(map(str, digits))
    point = f".{text[1:]}" if len(text) > 1 else ""
    return f"{'-' if sign else ''}{text[0]}{point}e{power:+03d}"


def _text_of(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise EvalError("invalid UTF-8 in bytes, cannot convert to string") from error


def _same(value: Any) -> Any:
    return value


CALLS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(
        (
            "bool_to_bool", "bytes_to_bytes", "double_to_double", "duration_to_duration", "to_dyn", "int64_to_int64",
            "string_to_string", "timestamp_to_timestamp", "uint64_to_uint64",
        ),
        _same,
    ),
    "string_to_bool": _read("bool", _BOOLS.__getitem__),
    "string_to_bytes": str.encode,
    "int64_to_double": float, "uint64_to_double": float, "string_to_double": _read("double", _double_of),
    "int64_to_duration": lambda value: checked_duration(value * SECOND),
    "string_to_duration": _read("google.protobuf.Duration", duration),
    "double_to_int64": _whole, "duration_to_int64": lambda value: value.nanos,
    "string_to_int64": _read("int", _int_of), "timestamp_to_int64": lambda value: value.nanos // SECOND,
    "uint64_to_int64": _signed,
    "bool_to_string": lambda value: "true" if value else "false", "bytes_to_string": _text_of,
    "double_to_string": double_text, "duration_to_string": duration_text, "int64_to_string": str,
    "timestamp_to_string": timestamp_text, "uint64_to_string": lambda value: str(int(value)),
    "int64_to_timestamp": lambda value: checked_timestamp(value * SECOND),
    "string_to_timestamp": _read("google.protobuf.Timestamp", timestamp),
    "type": lambda value: TypeValue(type_name(value)),
    "double_to_uint64": _whole_unsigned, "int64_to_uint64": _unsigned, "string_to_uint64": _read("uint", _uint_of),
}  # fmt: skip
