"""The report on the certified suite's entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import report

HERE = Path(__file__).parent
OUTCOMES = HERE.parents[1] / "build" / "conformance.json"
outcomes: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    file, _, test = report.nodeid.partition("::")
    if "tests/conformance/" in file and (report.when == "call" or report.outcome != "passed"):
        name = f"{file.partition('tests/conformance/')[2]}::{test.partition('[')[0]}"
        _note(name, report.outcome)


def _note(name: str, outcome: str) -> None:
    outcomes[name] = report.worse(outcome, outcomes.get(name, outcome))


def pytest_sessionfinish() -> None:
    """`make test` runs the tests in several processes: the last to end knows of all of them, and says what holds."""
    if not outcomes:
        return
    claimed = report.claims(HERE)
    everything = report.gather(OUTCOMES, outcomes)
    if all(f"{claim.group}/{claim.test}" in everything for claim in claimed):
        report.TARGET.write_text(report.text(claimed, everything))
