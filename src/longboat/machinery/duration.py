"""Spans of time as Go writes them: `1h30m`, `3s`, `1.5ms`."""

from __future__ import annotations

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = (1 << 63) / 1e9  # seconds: int64 of nanoseconds
_PART = re.compile(r"(\d+\.?\d*|\.\d+)([^.\d]*)", re.ASCII)


def parse(text: str) -> float:
    """Seconds. Raises ValueError in the words of Go's time.ParseDuration."""
    sign, rest = (-1 if text[:1] == "-" else 1), text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0.0
    total, at = 0.0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None:
            raise ValueError(f'time: invalid duration "{text}"')
        number, unit = part.groups()
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in _UNITS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        total += float(number) * _UNITS[unit]
        at = part.end()
    if not at or total >= _LONGEST:
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * total
