"""Warnings as upstream sends them: each once, no more than so much."""

from __future__ import annotations

from longboat.apiserver.filters.recover import A_WARNING, ALL_WARNINGS, warnings


def test_each_is_told_once_and_quoted() -> None:
    assert warnings(["a", "b", "a", "", 'c "d" \\ e\nf']) == ['299 - "a"', '299 - "b"', '299 - "c \\"d\\" \\\\ e f"']


def test_one_long_one_is_whole_until_there_is_too_much() -> None:
    assert warnings(["x" * ALL_WARNINGS]) == [f'299 - "{"x" * ALL_WARNINGS}"']
    cut = [f'299 - "{letter * A_WARNING}"' for letter in "xy"]
    assert warnings(["x" * ALL_WARNINGS, "y" * 300]) == cut


def test_what_is_too_much_is_left_out() -> None:
    told = warnings(f"{number:06}" + "x" * 1000 for number in range(100_000))
    assert len(told) == ALL_WARNINGS // A_WARNING
    assert told[0] == f'299 - "{("000000" + "x" * 1000)[:A_WARNING]}"'
