"""Match conditions, of webhooks and policies alike."""

from __future__ import annotations

import pytest

from longboat.apiserver.admission.evaluation import CONDITIONS_BUDGET, Purse, Run, compiled_with, met
from longboat.apiserver.admission.outcome import Outcome
from longboat.machinery.cel import admission

FALSE, TRUE, ODD = "1 == 2", "1 == 1", "1 / int('0') == 1"
DIVISION = f"expression '{ODD}' resulted in error: division by zero"
DEAR = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(a, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(b, a + b > 0))"
SPENT = "validation failed due to running out of cost budget, no further validation rules will be run"


def asked(*expressions: str, budget: int = CONDITIONS_BUDGET) -> Outcome:
    conditions = [(f"c{i}", compiled_with(each, admission.VARIABLES)) for i, each in enumerate(expressions)]
    return met(conditions, Run({}, {}, Purse(None), budget))


@pytest.mark.parametrize(
    ("expressions", "outcome"),
    [
        ((), Outcome(True)),
        ((TRUE, TRUE), Outcome(True)),
        ((TRUE, FALSE, FALSE), Outcome(False, failed="c1")),
        ((ODD, FALSE), Outcome(False, failed="c1")),
        ((ODD, TRUE), Outcome(False, [DIVISION])),
    ],
)
def test_one_that_is_false_settles_it_whatever_is_wrong_with_others(
    expressions: tuple[str, ...], outcome: Outcome
) -> None:
    found = asked(*expressions)
    assert (found.matches, list(found.errors), found.failed) == (outcome.matches, list(outcome.errors), outcome.failed)


def test_all_are_evaluated_within_one_budget() -> None:
    assert asked(DEAR, DEAR).matches
    assert list(asked(FALSE, DEAR, DEAR, budget=300).errors) == [SPENT], "though the first is false"


def test_errors_of_several_are_told_once_each() -> None:
    found = asked(ODD, f"!({ODD})", ODD)
    assert found.error == f"[{DIVISION}, {DIVISION.replace(ODD, f'!({ODD})')}]"
    assert asked(ODD, ODD).error == DIVISION


def test_one_that_does_not_compile_fails_when_it_is_asked() -> None:
    assert asked("nothing.here").error.startswith("compilation error: compilation failed: ERROR")
