"""The table of controls: whole, in order, and what its page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from longboat.cli.cis import benchmark
from longboat.cli.cis.evidence import files, mode_of
from longboat.cli.cis.finding import FAIL, MANUAL, NOT_APPLICABLE, PASS, Finding, all_of, none_of

PAGE = Path(__file__).parents[4] / "docs" / "cis.md"
# How many controls each section of version 1.12 has.
SIZES = {"1.1": 21, "1.2": 30, "1.3": 7, "1.4": 2, "2": 7, "3.1": 3, "3.2": 2, "4.1": 10, "4.2": 14, "4.3": 1,
         "5.1": 13, "5.2": 12, "5.3": 2, "5.4": 2, "5.5": 1, "5.6": 4}  # fmt: skip


def test_every_control_is_there_once_and_in_order() -> None:
    expected = [f"{section}.{number}" for section, size in SIZES.items() for number in range(1, size + 1)]
    assert [control.number for control in benchmark.CONTROLS] == expected


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text() == benchmark.page(), "write it: python -m longboat.cli.cis.benchmark > docs/cis.md"


def test_every_control_has_words_of_its_own() -> None:
    for control in benchmark.CONTROLS:
        assert control.title and control.answer, control.number
    # What is not met as it comes says so in bold, and what to do until it is.
    unmet = {control.number for control in benchmark.CONTROLS if "**Not met.**" in control.answer}
    assert unmet == {"1.2.9", "1.2.11"}
    assert all(control.remedy for control in benchmark.CONTROLS if control.number in unmet)


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([PASS, PASS], PASS),
        ([PASS, FAIL, MANUAL], FAIL),
        ([PASS, MANUAL], MANUAL),
        ([NOT_APPLICABLE, PASS], PASS),
        ([NOT_APPLICABLE], NOT_APPLICABLE),
        ([], NOT_APPLICABLE),
    ],
)
def test_the_worst_of_several_counts(states: list[str], state: str) -> None:
    found = all_of(*(Finding(each, each.lower()) for each in states))
    assert found.state == state
    if states:
        assert found.reason == state.lower()


def test_a_long_list_of_offenders_is_cut() -> None:
    found = none_of((f"p{i}" for i in range(9)), "none", "pods")
    assert (found.state, found.reason) == (MANUAL, "pods: p0, p1, p2, p3, p4 and 4 more")
    assert none_of([], "none", "pods") == Finding(PASS, "none")


def test_a_link_is_looked_at_itself(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "a").chmod(0o640)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.key").write_text("")
    assert files(tmp_path) == [tmp_path / "a", tmp_path / "sub" / "b.key"]
    assert files(tmp_path, pattern="*.key") == [tmp_path / "sub" / "b.key"] and files(tmp_path / "gone") == []
    assert mode_of(tmp_path / "a") == 0o640
