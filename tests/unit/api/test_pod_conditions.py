"""What is written of a pod by others than its node."""

from __future__ import annotations

from datetime import UTC, datetime

from longboat.api.pod_conditions import condition
from longboat.api.workloads import Condition

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_moment_is_told_where_it_turns_and_kept_where_it_does_not() -> None:
    told = condition("Ready", True, "Why", "Because.", before=(), generation=3, now=NOW)
    assert told == {
        "type": "Ready", "status": "True", "reason": "Why", "message": "Because.", "observedGeneration": 3,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    others = [Condition(type="Ready", status="False"), Condition(type="Other", status="True")]
    assert "lastTransitionTime" in condition("Ready", True, before=others, generation=1, now=NOW)
    same = [Condition(type="Ready", status="True")]
    assert "lastTransitionTime" not in condition("Ready", True, "New", before=same, generation=1, now=NOW)


def test_what_has_no_reason_takes_the_former_away() -> None:
    told = condition("Ready", False, before=(), generation=1, now=NOW)
    assert told["reason"] is None and told["message"] is None
