"""When a CronJob's Jobs are due. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from longboat.machinery import cron
from longboat.machinery.cron import Cron, Every

MANY = 100  # missed times after which something is wrong (cronjob controller, TooManyMissedTimes)


class NeverDue(ValueError):
    """The schedule can be read, and names no time that ever comes."""


class UnknownZone(ValueError):
    """No clock is known to go by that name."""


class Due(NamedTuple):
    """The last time that has come, None if none has; how many have; and the next one."""

    last: datetime | None
    missed: int
    next: datetime


def due(schedule: str, zone: str, since: datetime, now: datetime) -> Due:
    """Times after `since` and up to `now`. Raises UnknownZone, BadSchedule, NeverDue."""
    here = since.astimezone(_zone(zone) if zone else now.tzinfo)
    times = cron.parse(schedule)
    if isinstance(times, Every):
        return _every(times.seconds, since, now)
    last, missed = None, 0
    moment = _next(times, here)
    while moment <= now:
        last, missed = moment, missed + 1
        if missed > MANY:
            # Too many to count one by one: go on close to now, and say that it was many.
            return Due(*_latest(times, here, now, missed))
        moment = _next(times, moment)
    return Due(last, missed, moment)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownZone(f"unknown time zone {name}") from None


def _next(times: Cron, after: datetime) -> datetime:
    moment = times.next(after)
    if moment is None:
        raise NeverDue("time difference between two schedules is less than 1 second")  # upstream's way to say so
    return moment


def _latest(times: Cron, since: datetime, now: datetime, missed: int) -> tuple[datetime | None, int, datetime]:
    """The last time before now and the next, however long ago the first was."""
    span = timedelta(hours=1)
    while True:
        start, last = max(since, now.astimezone(since.tzinfo) - span), None
        moment = _next(times, start)
        while moment <= now:
            last, moment = moment, _next(times, moment)
        if last is not None or start == since:
            return last, missed, moment
        span *= 24


def _every(seconds: int, since: datetime, now: datetime) -> Due:
    count = max(int((now - since).total_seconds() // seconds), 0)
    last = since + timedelta(seconds=seconds * count) if count else None
    return Due(last, count, since + timedelta(seconds=seconds * (count + 1)))
