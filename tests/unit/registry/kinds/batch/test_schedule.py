from __future__ import annotations

import pytest

from longboat.registry.kinds.batch.cron_job import mistake


@pytest.mark.parametrize("schedule", [
    "* * * * *", "*/5 * * * *", "0 0 1 jan mon", "0-10/2,30 8-18 * * 1-5", "@daily", "@every 1h30m", "0 0 ? * 0",
])  # fmt: skip
def test_good_ones(schedule: str) -> None:
    assert mistake(schedule) == ""


@pytest.mark.parametrize(("schedule", "expected"), [
    ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
    ("60 * * * *", "end of range (60) above maximum (59): 60"),
    ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
    ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
    ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
    ("*/0 * * * *", 'failed to parse int from 0: strconv.Atoi: parsing "0": invalid syntax'),
    ("@sometimes", "unrecognized descriptor: @sometimes"),
])  # fmt: skip
def test_bad_ones(schedule: str, expected: str) -> None:
    assert mistake(schedule) == expected
