"""When Jobs are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from longboat.controllers.cronjob.schedule import NeverDue, UnknownZone, due
from longboat.machinery.cron import BadSchedule

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_last_time_that_has_come_counts() -> None:
    found = due("*/10 * * * *", "", NOON, NOON + timedelta(minutes=35))
    assert (found.last, found.missed, found.next) == (NOON + timedelta(minutes=30), 3, NOON + timedelta(minutes=40))
    assert due("*/10 * * * *", "", NOON, NOON + timedelta(minutes=9)).last is None


def test_time_zones_and_their_summer() -> None:
    found = due("0 12 * * *", "Europe/Berlin", NOON, NOON)
    assert found.next == NOON + timedelta(hours=23)  # noon in Berlin is 11 o'clock in UTC
    late = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert due("0 12 * * *", "Europe/Berlin", late, late).next == datetime(2026, 3, 29, 10, tzinfo=UTC)


def test_nicknames_and_intervals() -> None:
    assert due("@daily", "", NOON, NOON).next == datetime(2026, 3, 2, tzinfo=UTC)
    found = due("@every 1h30m", "", NOON, NOON + timedelta(hours=4))
    assert (found.last, found.missed) == (NOON + timedelta(hours=3), 2)


def test_what_has_no_times() -> None:
    with pytest.raises(BadSchedule, match="invalid duration"):
        due("@every soon", "", NOON, NOON)
    with pytest.raises(UnknownZone, match="unknown time zone Mars/Olympus"):
        due("* * * * *", "Mars/Olympus", NOON, NOON)
    with pytest.raises(NeverDue):
        due("0 0 31 2 *", "", NOON, NOON)


def test_after_a_long_time_only_the_last_is_looked_for() -> None:
    now = NOON + timedelta(days=400)
    found = due("* * * * *", "", NOON, now)
    assert found.missed > 100 and found.last == now
    yearly = due("0 0 1 1 *", "", NOON - timedelta(days=365 * 150), NOON)
    assert yearly.missed > 100 and yearly.last == datetime(2026, 1, 1, tzinfo=UTC)
