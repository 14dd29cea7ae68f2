"""Budgets that let nobody go, and why."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.apiserver.handlers.eviction import check
from longboat.machinery.errors import StatusError

NO = "Cannot evict pod as it would violate the pod's disruption budget."
BROKEN = 'poddisruptionbudgets.policy "b" is forbidden: '


def budget(generation: int = 1, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "b", "generation": generation}, "status": {"observedGeneration": 1, **status}}


@pytest.mark.parametrize(
    ("given", "code", "retry_after", "message", "cause"),
    [
        (
            budget(2, disruptionsAllowed=1), 429, 10, NO,
            "The disruption budget b is still being processed by the server.",
        ),
        (
            budget(disruptionsAllowed=0, desiredHealthy=3, currentHealthy=2), 429, None, NO,
            "The disruption budget b needs 3 healthy pods and has 2 currently",
        ),
        (budget(disruptionsAllowed=-1), 403, None, f"{BROKEN}pdb disruptions allowed is negative", ""),
        (
            budget(disruptionsAllowed=1, disruptedPods={str(n): "" for n in range(2001)}), 403, None,
            f"{BROKEN}DisruptedPods map too big - too many evictions not confirmed by PDB controller", "",
        ),
    ],
)  # fmt: skip
def test_refusals(given: dict[str, Any], code: int, retry_after: int | None, message: str, cause: str) -> None:
    with pytest.raises(StatusError) as caught:
        check(given)
    error = caught.value
    assert (error.code, error.retry_after, error.message) == (code, retry_after, message)
    assert [each["message"] for each in error.details.get("causes", ())] == ([cause] if cause else [])


def test_with_room_left_a_pod_may_go() -> None:
    check(budget(disruptionsAllowed=1))
