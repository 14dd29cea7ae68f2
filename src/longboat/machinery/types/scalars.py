"""Scalars with a form of their own: base64, quantities, numbers or names, times. A reader gives the canonical form."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from longboat.machinery import quantity
from longboat.machinery.objects import micro_timestamp, timestamp
from longboat.machinery.types.shapes import Scalar, Struct
from longboat.machinery.types.wording import Mistake, mismatch, mismatched

Reader = Callable[[Any, Scalar, Struct, str], Any]
"""(value, shape, owner, path) to the canonical value. Raises Mistake."""

INT32 = 1 << 31


def _bytes(value: Any, shape: Scalar, owner: Struct, path: str) -> str:
    if type(value) is not str:
        raise mismatch(value, shape, owner, path)
    text = value.replace("\n", "").replace("\r", "")  # Go passes over line ends
    if (at := bad_base64(text)) is not None:
        shift = len(value) - len(text) if at == len(text) else 0
        raise Mistake(f"illegal base64 data at input byte {at + shift}")
    return base64.b64encode(binascii.a2b_base64(text)).decode()


_ALPHABET = re.compile(r"[A-Za-z0-9+/]*")


def bad_base64(text: str) -> int | None:
    """Where Go's decoder stops, if it does: at a byte outside the alphabet, or at the end of an unfinished group."""
    found = _ALPHABET.match(text)
    good = found.end() if found else 0
    rest = text[good:]
    if not rest:
        return None if good % 4 == 0 else good // 4 * 4
    if rest[0] != "=" or good % 4 < 2:
        return good
    padding = 4 - good % 4
    if rest == "=" * padding:
        return None
    if padding == 2 and rest[:2] != "==":
        return good if len(rest) > 1 else len(text)
    return good + padding  # garbage after the padding


def _double(value: Any, shape: Scalar, owner: Struct, path: str) -> Any:
    if type(value) is int:
        return value
    if type(value) is float:  # Go writes no point where there is no fraction
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    raise mismatch(value, shape, owner, path)


def _quantity(value: Any, shape: Scalar, owner: Struct, path: str) -> str:
    text = value.strip() if isinstance(value, str) else repr(value)
    try:
        return str(quantity.parse(text))
    except ValueError as error:
        raise Mistake(str(error)) from error


def _intstr(value: Any, shape: Scalar, owner: Struct, path: str) -> Any:
    if type(value) is str or (type(value) is int and -INT32 <= value < INT32):
        return value
    raise mismatched(value, "int32", owner, path)


_LAYOUTS = {"time": "2006-01-02T15:04:05Z07:00", "microtime": "2006-01-02T15:04:05.000000Z07:00"}


def _time(value: Any, shape: Scalar, owner: Struct, path: str) -> str:
    if type(value) is not str:
        raise mismatched(value, "string", owner, path)
    micro = shape.name == "microtime"
    moment = parse_time(value, micro)
    return micro_timestamp(moment) if micro else timestamp(moment)


_PIECES: tuple[tuple[str, str], ...] = (
    ("2006", r"\d{4}"), ("-", "-"), ("01", r"\d\d"), ("-", "-"), ("02", r"\d\d"), ("T", "T"),
    ("15", r"\d\d"), (":", ":"), ("04", r"\d\d"), (":", ":"), ("05", r"\d\d"),
)  # fmt: skip
_ZONE = re.compile(r"Z|([+-])(\d\d):(\d\d)")
_FRACTION = re.compile(r"[.,](\d+)")


def parse_time(text: str, micro: bool = False) -> datetime:
    """RFC 3339 as upstream reads it; with exactly six digits of fraction for a MicroTime. Raises Mistake."""
    layout = _LAYOUTS["microtime" if micro else "time"]
    at, numbers = 0, []

    def misfit(piece: str) -> Mistake:
        return Mistake(f'parsing time "{text}" as "{layout}": cannot parse "{text[at:]}" as "{piece}"')

    for piece, pattern in _PIECES:
        found = re.compile(pattern).match(text, at)
        if found is None:
            raise misfit(piece)
        if piece.isdigit():
            numbers.append(int(found[0]))
        at = found.end()
    fraction = _FRACTION.match(text, at)
    if micro and (fraction is None or len(fraction[1]) < 6):
        raise misfit(".000000")
    micros = 0
    if fraction:
        micros = int(fraction[1][:6].ljust(6, "0"))
        at += 7 if micro else len(fraction[0])
    zone = _ZONE.match(text, at)
    if zone is None:
        raise misfit("Z07:00")
    if zone.end() != len(text):
        raise Mistake(f'parsing time "{text}": extra text: "{text[zone.end() :]}"')
    return _moment(text, numbers, micros, zone)


def _moment(text: str, numbers: list[int], micros: int, zone: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = numbers
    for name, wrong in (
        ("month", not 1 <= month <= 12), ("hour", hour > 23), ("minute", minute > 59), ("second", second > 59),
    ):  # fmt: skip
        if wrong:
            raise Mistake(f'parsing time "{text}": {name} out of range')
    sign, hours, minutes = zone.groups()
    shift = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        offset = timezone(-shift if sign == "-" else shift)
        return datetime(year, month, day, hour, minute, second, micros, offset).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Mistake(f'parsing time "{text}": day out of range') from error


READERS: dict[str, Reader] = {
    "bytes": _bytes,
    "double": _double,
    "quantity": _quantity,
    "intstr": _intstr,
    "time": _time,
    "microtime": _time,
}
