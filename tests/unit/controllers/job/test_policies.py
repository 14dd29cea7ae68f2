"""What policies say of failed pods and finished indexes."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.controllers.job.indexes import Indexes
from longboat.controllers.job.policies import judge, success
from unit.controllers.job.made import indexed, job, pod


def rules(*listed: dict[str, Any]) -> dict[str, Any]:
    return {"podFailurePolicy": {"rules": list(listed)}}


def codes(action: str, operator: str, *values: int, container: str | None = None) -> dict[str, Any]:
    return {
        "action": action, "onExitCodes": {"operator": operator, "values": list(values), "containerName": container},
    }  # fmt: skip


DISRUPTED = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


@pytest.mark.parametrize(("listed", "code", "conditions", "expected"), [
    ([], 1, (), ""),
    ([codes("FailJob", "In", 1, 2)], 2, (), "FailJob"),
    ([codes("FailJob", "In", 1, 2)], 3, (), ""),
    ([codes("Count", "NotIn", 1, 2)], 3, (), "Count"),
    ([codes("Ignore", "NotIn", 1)], 0, (), ""),  # a container that succeeded is not asked
    ([codes("FailIndex", "In", 7, container="c")], 7, (), "FailIndex"),
    ([codes("FailIndex", "In", 7, container="d")], 7, (), ""),
    ([DISRUPTED, codes("FailJob", "In", 137)], 137, ("DisruptionTarget",), "Ignore"),
    ([DISRUPTED, codes("FailJob", "In", 137)], 137, (), "FailJob"),
    ([codes("FailJob", "In", 137), DISRUPTED], 137, ("DisruptionTarget",), "FailJob"),  # the first rule it is
    ([codes("FailJob", "In", 1)], None, (), ""),  # it has not ended
])  # fmt: skip
def test_the_first_rule_that_fits(
    listed: list[dict[str, Any]], code: int | None, conditions: tuple[str, ...], expected: str
) -> None:
    found = judge(job(**rules(*listed)), pod("p", "Failed", code=code, conditions=conditions))
    assert found.action == expected
    assert found.counts == (expected != "Ignore")


def test_it_says_why() -> None:
    why = judge(job(**rules(DISRUPTED, codes("FailJob", "In", 3))), pod("p", "Failed", code=3)).message
    assert why == "Container c for pod default/p failed with exit code 3 matching FailJob rule at index 1"
    disrupted = {**DISRUPTED, "action": "FailJob"}
    why = judge(job(**rules(disrupted)), pod("p", "Failed", conditions=("DisruptionTarget",))).message
    assert why == "Pod default/p has condition DisruptionTarget matching FailJob rule at index 0"


@pytest.mark.parametrize(("listed", "completed", "expected"), [
    ([{"succeededCount": 2}], "0", ""),
    ([{"succeededCount": 2}], "0,3", "Matched rules at index 0"),
    ([{"succeededIndexes": "1-2"}], "0-1", ""),
    ([{"succeededIndexes": "1-2"}], "1-3", "Matched rules at index 0"),
    ([{"succeededIndexes": "1-2", "succeededCount": 1}], "2", "Matched rules at index 0"),
    ([{"succeededIndexes": "1-2", "succeededCount": 1}], "0,3", ""),
    ([{"succeededIndexes": "0"}, {"succeededCount": 1}], "3", "Matched rules at index 1"),
    ([{"succeededIndexes": ""}], "0-3", ""),
    ([{"succeededCount": 0}], "", ""),
])  # fmt: skip
def test_when_it_is_enough(listed: list[dict[str, Any]], completed: str, expected: str) -> None:
    wanted = indexed(successPolicy={"rules": listed})
    assert success(wanted, Indexes.parse(completed, 4)) == expected
