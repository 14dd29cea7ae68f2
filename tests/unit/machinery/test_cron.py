"""Cron schedules by robfig/cron's documented rules: forms of a field, complaints, days, clocks that change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery.cron import BadSchedule, Cron, Every, parse

SUNDAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


def cron(text: str) -> Cron:
    found = parse(text)
    assert isinstance(found, Cron)
    return found


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("5", {5}),
        ("+5", {5}),
        ("1,3,5", {1, 3, 5}),
        (",1,,2,", {1, 2}),
        ("1-4", {1, 2, 3, 4}),
        ("1-9/3", {1, 4, 7}),
        ("50/4", {50, 54, 58}),  # a number with a step goes on to the end
        ("5/100", {5}),
        ("*/20", {0, 20, 40}),
        ("?/20", {0, 20, 40}),
        ("*", set(range(60))),
        ("?", set(range(60))),
        ("*/1", set(range(60))),
        ("*-7", set(range(60))),  # what follows a star is not looked at
        ("0-2,58-59,30", {0, 1, 2, 30, 58, 59}),
    ],
)
def test_forms_of_a_field(field: str, values: set[int]) -> None:
    assert cron(f"{field} * * * *").minutes == values


def test_names() -> None:
    found = cron("0 0 * JAN,mar-MAY,12 sun,Tue-THU")
    assert found.months == {1, 3, 4, 5, 12}
    assert found.weekdays == {0, 2, 3, 4}


NINES = "9" * 30
ATOI = 'failed to parse int from {0}: strconv.Atoi: parsing "{0}": invalid syntax'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("0 * * * * *", "expected exactly 5 fields, found 6: [0 * * * * *]"),
        ("@fortnightly", "unrecognized descriptor: @fortnightly"),
        ("@Daily", "unrecognized descriptor: @Daily"),
        ("@every", "unrecognized descriptor: @every"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
        ("@every 5", 'failed to parse duration @every 5: time: missing unit in duration "5"'),
        ("@every 9999999h", 'failed to parse duration @every 9999999h: time: invalid duration "9999999h"'),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* 24 * * *", "end of range (24) above maximum (23): 24"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * 32 * *", "end of range (32) above maximum (31): 32"),
        ("* * * 13 *", "end of range (13) above maximum (12): 13"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("* * * * 5-7", "end of range (7) above maximum (6): 5-7"),
        ("9-5 * * * *", "beginning of range (9) beyond end of range (5): 9-5"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/2/3 * * * *", "too many slashes: */2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("*/-1 * * * *", "negative number (-1) not allowed: -1"),
        ("*/ * * * *", ATOI.format("")),
        ("-1 * * * *", ATOI.format("")),
        ("1- * * * *", ATOI.format("")),
        ("x * * * *", ATOI.format("x")),
        ("² * * * *", ATOI.format("²")),
        ("* * L * *", ATOI.format("L")),
        ("* * 15W * *", ATOI.format("15W")),
        ("* * * * 1#2", ATOI.format("1#2")),
        ("* * * * FRIDAY", ATOI.format("FRIDAY")),
        ("* * MON * *", ATOI.format("MON")),
        (f"{NINES} * * * *", f'failed to parse int from {NINES}: strconv.Atoi: parsing "{NINES}": value out of range'),
    ],
)  # fmt: skip
def test_complaints(text: str, complaint: str) -> None:
    with pytest.raises(BadSchedule) as caught:
        parse(text)
    assert str(caught.value) == complaint


def days(text: str, count: int) -> list[str]:
    found, moment = [], datetime(2026, 3, 1, tzinfo=UTC) - timedelta(minutes=1)
    for _ in range(count):
        following = cron(text).next(moment)
        assert following is not None
        moment = following
        found.append(f"{moment:%a %-d}")
    return found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0 0 */9 * 1", ["Sun 1", "Mon 2", "Mon 9", "Tue 10", "Mon 16"]),  # a star with a step is no star: either
        ("0 0 3 * 1", ["Mon 2", "Tue 3", "Mon 9"]),  # neither is a star: either
        ("0 0 * * 1", ["Mon 2", "Mon 9"]),  # one is: both
        ("0 0 3 * *", ["Tue 3", "Fri 3"]),
        ("0 0 ? * 1", ["Mon 2", "Mon 9"]),
        ("0 0 3 * */1", ["Tue 3", "Fri 3"]),  # a step of one leaves a star what it is
        ("0 0 3 * */3", ["Sun 1", "Tue 3", "Wed 4", "Sat 7"]),
        ("0 0 1,* * 1", ["Mon 2", "Mon 9"]),  # a star among others is one
        ("0 0 31 * *", ["Tue 31", "Sun 31"]),
    ],
)
def test_days_of_the_month_and_of_the_week(text: str, wanted: list[str]) -> None:
    assert days(text, len(wanted)) == wanted


def test_a_day_that_never_comes() -> None:
    assert cron("59 23 31 2 *").next(SUNDAY) is None
    assert cron(", * * * *").next(SUNDAY) is None
    assert cron("0 0 29 2 *").next(SUNDAY) == datetime(2028, 2, 29, tzinfo=UTC)
    assert cron("* * * * *").next(datetime(9999, 12, 31, 23, 59, tzinfo=UTC)) is None


def times(text: str, zone: str, start: datetime, count: int) -> list[str]:
    found, moment = [], start.astimezone(ZoneInfo(zone))
    for _ in range(count):
        following = cron(text).next(moment)
        assert following is not None
        moment = following
        found.append(f"{moment:%m-%d %H:%M%z}")
    return found


def test_an_hour_that_is_left_out_does_not_come() -> None:
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert times("30 2 * * *", "Europe/Berlin", start, 2) == ["03-30 02:30+0200", "03-31 02:30+0200"]
    assert times("30 * 29 * *", "Europe/Berlin", start, 3) == [
        "03-29 00:30+0100", "03-29 01:30+0100", "03-29 03:30+0200",
    ]  # fmt: skip


def test_an_hour_that_is_repeated_comes_twice() -> None:
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert times("30 2 * * *", "Europe/Berlin", start, 3) == [
        "10-25 02:30+0200", "10-25 02:30+0100", "10-26 02:30+0100",
    ]  # fmt: skip


def test_a_midnight_that_is_left_out() -> None:
    start = datetime(2026, 4, 23, 12, tzinfo=UTC)
    assert times("0 1 * * 5", "Africa/Cairo", start, 1) == ["04-24 01:00+0300"]


def test_half_an_hour_that_is_repeated() -> None:
    start = datetime(2026, 4, 4, 14, tzinfo=UTC)
    found = times("45 1 * * *", "Australia/Lord_Howe", start, 3)
    assert found == ["04-05 01:45+1100", "04-05 01:45+1030", "04-06 01:45+1030"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("@every 1h30m", 5400), ("@every 1.9s", 1), ("@every 3ms", 1), ("@every -5s", 1)]
)
def test_intervals(text: str, seconds: int) -> None:
    assert parse(text) == Every(seconds)


def test_nicknames() -> None:
    assert cron("@weekly") == cron("0 0 * * 0") and cron("@yearly") == cron("0 0 1 1 *") == cron("@annually")
    assert cron("@midnight") == cron("@daily") and cron("@hourly") == cron("0 * * * *")


FIELD = st.sampled_from(["*", "*/7", "3", "10-20", "5/10", "1,30"])
DAY, MONTH, WEEKDAY = (
    st.sampled_from(each) for each in (("*", "1", "*/2", "28-31"), ("*", "2", "3-4"), ("*", "0", "*/2"))
)
HOUR = st.sampled_from(["*", "2", "0-3", "*/5"])
ZONE = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
MINUTES = st.integers(0, 60 * 24 * 366 * 2)


@given(FIELD, HOUR, DAY, MONTH, WEEKDAY, MINUTES, ZONE)
def test_no_minute_between_is_due(
    minute: str, hour: str, day: str, month: str, weekday: str, start: int, zone: str
) -> None:
    """Leaps are no longer than they may be: held against every minute of a few days."""
    found = cron(f"{minute} {hour} {day} {month} {weekday}")
    here = ZoneInfo(zone)
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=start)
    following = found.next(moment.astimezone(here))
    end = min(following.astimezone(UTC) if following else moment, moment + timedelta(days=2))
    while (moment := moment + timedelta(minutes=1)) < end:
        local = moment.astimezone(here)
        on_time = local.minute in found.minutes and local.hour in found.hours
        assert not (on_time and local.month in found.months and found._on(local))
