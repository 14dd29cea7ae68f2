"""When a CronJob's Jobs are due. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim

NICKNAMES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
MANY = 100  # missed times after which something is wrong (cronjob controller, TooManyMissedTimes)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


class Due(NamedTuple):
    """The last time that has come, None if none has; how many have; and the next one."""

    last: datetime | None
    missed: int
    next: datetime


def due(schedule: str, zone: str, since: datetime, now: datetime) -> Due:
    """Times after `since` and up to `now`. Raises ValueError (also CronSimError) for a schedule that cannot be read."""
    if schedule.startswith("@every "):
        return _every(_seconds(schedule.removeprefix("@every ").strip()), since, now)
    text = NICKNAMES.get(schedule, schedule).replace("?", "*")
    here = since.astimezone(ZoneInfo(zone) if zone else now.tzinfo)
    last, missed = None, 0
    for moment in CronSim(text, here):
        if moment > now:
            return Due(last, missed, moment)
        last, missed = moment, missed + 1
        if missed > MANY:
            # Too many to count one by one: go on close to now, and say that it was many.
            return Due(*_latest(text, here, now, missed))
    raise ValueError(f"the schedule {schedule} never comes")


def _latest(text: str, since: datetime, now: datetime, missed: int) -> tuple[datetime | None, int, datetime]:
    """The last time before now and the next, however long ago the first was."""
    span = timedelta(hours=1)
    while True:
        start, last = max(since, now.astimezone(since.tzinfo) - span), None
        for moment in CronSim(text, start):
            if moment > now:
                if last is not None or start == since:
                    return last, missed, moment
                break
            last = moment
        span *= 24


def _every(seconds: float, since: datetime, now: datetime) -> Due:
    count = int((now - since).total_seconds() // seconds)
    last = since + timedelta(seconds=seconds * count) if count > 0 else None
    return Due(last, max(count, 0), since + timedelta(seconds=seconds * (max(count, 0) + 1)))


def _seconds(text: str) -> float:
    """Of `1h30m`. Raises ValueError."""
    parts = re.findall(r"([0-9.]+)([hms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"cannot read the duration {text}")
    return max(1.0, sum(float(number) * _UNITS[unit] for number, unit in parts))
