"""Timestamps and durations: their text, their limits and their parts (Common Expression Language, "Timestamps")."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from longboat.machinery.cel.errors import EvalError
from longboat.machinery.cel.values import Duration, Timestamp

SECOND = 1_000_000_000
_EARLIEST, _LATEST = -62135596800 * SECOND, 253402300800 * SECOND - 1
_LONGEST = (1 << 63) - 1
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
_UNITS = {
    "ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND,
}  # fmt: skip
_PART = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def checked_timestamp(nanos: int) -> Timestamp:
    if not _EARLIEST <= nanos <= _LATEST:
        raise EvalError("timestamp overflow")
    return Timestamp(nanos)


def checked_duration(nanos: int) -> Duration:
    if not -_LONGEST - 1 <= nanos <= _LONGEST:
        raise EvalError("duration overflow")
    return Duration(nanos)


def timestamp(text: str) -> Timestamp:
    """RFC 3339. Raises ValueError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("not a time")
    *fields, fraction, sign, hours, minutes = found.groups()
    year, month, day, hour, minute, second = map(int, fields)
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    nanos = ((moment - _EPOCH).days * 86400 + (moment - _EPOCH).seconds) * SECOND
    nanos += int(((fraction or "") + "0" * 9)[:9])
    if sign:
        if int(hours) > 24 or int(minutes) > 59:
            raise ValueError("not an offset")
        nanos -= (1 if sign == "+" else -1) * (int(hours) * 60 + int(minutes)) * 60 * SECOND
    if not _EARLIEST <= nanos <= _LATEST:
        raise ValueError("out of range")
    return Timestamp(nanos)


def duration(text: str) -> Duration:
    """As Go writes them, exactly. Raises ValueError."""
    sign, rest = (-1 if text[:1] == "-" else 1), text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return Duration(0)
    total, at = 0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None or not (part[1] or part[2]):
            raise ValueError("not a duration")
        unit = _UNITS[part[3]]
        total += int(part[1] or 0) * unit if len(part[1]) < 30 else 1 << 64
        if part[2]:
            digits = part[2][:18]
            total += int(digits) * unit // 10 ** len(digits)
        at = part.end()
    if not at or total > _LONGEST + (sign < 0):
        raise ValueError("not a duration")
    return Duration(sign * total)


def timestamp_text(value: Timestamp) -> str:
    seconds, nanos = divmod(value.nanos, SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}{fraction}Z"


def duration_text(value: Duration) -> str:
    """Seconds, with a fraction where there is one."""
    seconds, nanos = divmod(abs(value.nanos), SECOND)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{'-' if value.nanos < 0 else ''}{seconds}{fraction}s"


@lru_cache(256)
def _zone(name: str) -> tzinfo:
    if name in ("UTC", ""):
        return UTC
    hours, colon, minutes = name.partition(":")
    if not colon:
        if name.startswith("/") or ".." in name or len(name) > 64:
            raise EvalError(f"unknown time zone {name}")
        try:
            return ZoneInfo(name)
        except (OSError, ValueError, KeyError) as error:
            raise EvalError(f"unknown time zone {name}") from error
    try:
        offset = timedelta(hours=int(hours), minutes=int(minutes) * (-1 if name[0] == "-" else 1))
        return timezone(offset)
    except ValueError as error:
        raise EvalError(f'strconv.Atoi: parsing "{name}": invalid syntax') from error


def _local(value: Timestamp, zone: str) -> datetime:
    try:
        return (_EPOCH + timedelta(seconds=value.nanos // SECOND)).astimezone(_zone(zone))
    except OverflowError as error:
        raise EvalError("timestamp overflow") from error


_PARTS: dict[str, tuple[str, Callable[[datetime], int]]] = {
    "getFullYear": ("year", lambda t: t.year),
    "getMonth": ("month", lambda t: t.month - 1),
    "getDayOfYear": ("day_of_year", lambda t: t.timetuple().tm_yday - 1),
    "getDayOfMonth": ("day_of_month", lambda t: t.day - 1),
    "getDate": ("day_of_month_1_based", lambda t: t.day),
    "getDayOfWeek": ("day_of_week", lambda t: t.isoweekday() % 7),
    "getHours": ("hours", lambda t: t.hour),
    "getMinutes": ("minutes", lambda t: t.minute),
    "getSeconds": ("seconds", lambda t: t.second),
}
_SPANS = {
    "getHours": ("hours", 3600 * SECOND),
    "getMinutes": ("minutes", 60 * SECOND),
    "getSeconds": ("seconds", SECOND),
}


def _part(read: Callable[[datetime], int]) -> Callable[..., int]:
    return lambda value, zone="UTC": read(_local(value, zone))


def _span(unit: int) -> Callable[[Duration], int]:
    return lambda value: abs(value.nanos) // unit * (-1 if value.nanos < 0 else 1)


TABLE = """
getMilliseconds timestamp_to_milliseconds recv.(timestamp) int
getMilliseconds timestamp_to_milliseconds_with_tz recv.(timestamp string) int
getMilliseconds duration_to_milliseconds recv.(duration) int
"""
CALLS: dict[str, Callable[..., Any]] = {
    "timestamp_to_milliseconds": lambda value: value.nanos % SECOND // 1_000_000,
    "timestamp_to_milliseconds_with_tz": lambda value, zone: (_zone(zone), value.nanos % SECOND // 1_000_000)[1],
    "duration_to_milliseconds": _span(1_000_000),
}
for _name, (_id, _read) in _PARTS.items():
    TABLE += f"{_name} timestamp_to_{_id} recv.(timestamp) int\n"
    TABLE += f"{_name} timestamp_to_{_id}_with_tz recv.(timestamp string) int\n"
    CALLS[f"timestamp_to_{_id}"] = CALLS[f"timestamp_to_{_id}_with_tz"] = _part(_read)
for _name, (_id, _unit) in _SPANS.items():
    TABLE += f"{_name} duration_to_{_id} recv.(duration) int\n"
    CALLS[f"duration_to_{_id}"] = _span(_unit)
