"""Cron schedules as upstream reads them: the rules of robfig/cron's standard parser. Pure.

No library has just these: days of the month and of the week are both to be met where one of them is a star, else either
is enough; a star with a step is no star; a week ends on 6; there is no L, W, # or sixth field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from longboat.machinery import duration

NICKNAMES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
EVERY = "@every "
YEARS = 5  # without a time to come: then none is expected any more
LAST_YEAR = 9990  # beyond which nothing is looked for: Python's calendar ends soon after
_INTEGER = re.compile(r"[+-]?[0-9]+").fullmatch
_MINUTE = timedelta(minutes=1)


class BadSchedule(ValueError):
    """It cannot be read. Says why, in robfig/cron's words."""


class _Range(NamedTuple):
    low: int
    high: int
    names: Mapping[str, int] = {}


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_RANGES = (
    _Range(0, 59),
    _Range(0, 23),
    _Range(1, 31),
    _Range(1, 12, {name: i + 1 for i, name in enumerate(_MONTHS)}),
    _Range(0, 6, {name: i for i, name in enumerate(_DAYS)}),
)


@dataclass(frozen=True, slots=True)
class Every:
    """At equal distances from wherever one starts."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields: the values that each takes."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    both: bool  # whether a day has to be right in the month and in the week

    def next(self, after: datetime) -> datetime | None:
        """The first time behind `after`, in whose zone the fields are read; None where there is none in five years.

        An hour that the clock leaps over does not come, one that it repeats comes twice.
        """
        zone = after.tzinfo
        assert zone is not None
        if after.year > LAST_YEAR:
            return None
        moment = after.astimezone(UTC).replace(second=0, microsecond=0) + _MINUTE
        last_year = after.year + YEARS
        while True:
            here = moment.astimezone(zone)
            if here.year > last_year:
                return None
            if here.month not in self.months:
                first = here.replace(day=1, hour=0, minute=0, fold=0) + timedelta(days=31)
                moment = first.replace(day=1).astimezone(UTC)
            elif not self._on(here):
                midnight = here.replace(hour=0, minute=0, fold=0) + timedelta(days=1)
                moment = midnight.astimezone(UTC)
            elif here.hour not in self.hours:
                moment += _MINUTE * (60 - here.minute)
            elif here.minute not in self.minutes:
                later = [minute for minute in self.minutes if minute > here.minute]
                moment += _MINUTE * ((min(later) if later else 60) - here.minute)
            else:
                return here

    def _on(self, here: datetime) -> bool:
        in_month, in_week = here.day in self.days, here.isoweekday() % 7 in self.weekdays
        return in_month and in_week if self.both else in_month or in_week


def parse(text: str) -> Cron | Every:
    """Raises BadSchedule."""
    if not text:
        raise BadSchedule("empty spec string")
    if text.startswith(EVERY):
        return Every(_interval(text.removeprefix(EVERY)))
    if text.startswith("@") and text not in NICKNAMES:
        raise BadSchedule(f"unrecognized descriptor: {text}")
    fields = NICKNAMES.get(text, text).split()
    if len(fields) != len(_RANGES):
        raise BadSchedule(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    values, stars = [], []
    for field, bounds in zip(fields, _RANGES, strict=True):
        pieces = [_piece(piece, bounds) for piece in field.split(",") if piece]
        values.append(frozenset(value for found, _ in pieces for value in found))
        stars.append(any(star for _, star in pieces))
    minutes, hours, days, months, weekdays = values
    return Cron(minutes, hours, days, months, weekdays, both=stars[2] or stars[4])


def _piece(text: str, bounds: _Range) -> tuple[range, bool]:
    """The values of `*`, `N`, `N-M`, each with a `/STEP` or without, and whether it stands for all of them."""
    span, *steps = text.split("/")
    ends = span.split("-")
    star = ends[0] in ("*", "?")
    low, high = bounds.low, bounds.high
    if not star:
        low = high = _number(ends[0], bounds.names)
        if len(ends) == 2:
            high = _number(ends[1], bounds.names)
        elif len(ends) > 2:
            raise BadSchedule(f"too many hyphens: {text}")
    if len(steps) > 1:
        raise BadSchedule(f"too many slashes: {text}")
    step = _number(steps[0], {}) if steps else 1
    if steps and len(ends) == 1:
        high = bounds.high  # N/STEP goes on to the end
    if low < bounds.low:
        raise BadSchedule(f"beginning of range ({low}) below minimum ({bounds.low}): {text}")
    if high > bounds.high:
        raise BadSchedule(f"end of range ({high}) above maximum ({bounds.high}): {text}")
    if low > high:
        raise BadSchedule(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if step == 0:
        raise BadSchedule(f"step of range should be a positive number: {text}")
    return range(low, high + 1, step), star and step == 1


def _number(text: str, names: Mapping[str, int]) -> int:
    if (named := names.get(text.lower())) is not None:
        return named
    if not _INTEGER(text):
        raise BadSchedule(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    value = int(text) if len(text) < 20 else 1 << 63
    if not -(1 << 63) <= value < 1 << 63:
        raise BadSchedule(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": value out of range')
    if value < 0:
        raise BadSchedule(f"negative number ({value}) not allowed: {text}")
    return value


def _interval(text: str) -> int:
    """Whole seconds, at least one."""
    try:
        return max(1, int(duration.parse(text)))
    except ValueError as error:
        raise BadSchedule(f"failed to parse duration {EVERY}{text}: {error}") from error
