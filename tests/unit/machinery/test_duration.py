"""Spans of time in Go's notation."""

from __future__ import annotations

import pytest

from longboat.machinery import duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), ("3s", 3.0), ("1h30m", 5400.0), ("1.5ms", 0.0015), ("-2m", -120.0), ("+.5s", 0.5), ("100ns", 1e-7)],
)
def test_it_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert duration.parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", 'time: invalid duration ""'),
        ("soon", 'time: invalid duration "soon"'),
        ("3", 'time: missing unit in duration "3"'),
        ("3d", 'time: unknown unit "d" in duration "3d"'),
        ("1s-1s", 'time: unknown unit "s-" in duration "1s-1s"'),
        ("5S", 'time: unknown unit "S" in duration "5S"'),
        ("٣s", 'time: invalid duration "٣s"'),
    ],
)
def test_what_it_cannot_read_it_names(text: str, why: str) -> None:
    with pytest.raises(ValueError) as refused:
        duration.parse(text)
    assert str(refused.value) == why
