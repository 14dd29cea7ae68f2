"""The status of a HorizontalPodAutoscaler. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from longboat.controllers.autoscaling.behavior import Limited
from longboat.controllers.autoscaling.views import Scaler, ScalerCondition
from longboat.machinery.objects import timestamp

LIMITS = {
    "TooManyReplicas": "the desired replica count is more than the maximum replica count",
    "TooFewReplicas": "the desired replica count is less than the minimum replica count",
    "ScaleUpLimit": "the desired replica count is increasing faster than the maximum scale rate",
    "ScaleDownLimit": "the desired replica count is decreasing faster than the maximum scale rate",
}
STABILIZED = {
    "ScaleUpStabilized": (
        "recent recommendations were lower than current one, applying the lowest recent recommendation"
    ),
    "ScaleDownStabilized": (
        "recent recommendations were higher than current one, applying the highest recent recommendation"
    ),
}


class Conditions:
    """Conditions in the making. What stays as it was keeps its time."""

    def __init__(self, before: list[ScalerCondition], now: datetime) -> None:
        self._found = {condition.type: condition for condition in before}
        self._now = now

    def set(self, kind: str, holds: bool, reason: str, message: str) -> None:
        status = "True" if holds else "False"
        before = self._found.get(kind)
        since = before.lastTransitionTime if before and before.status == status else None
        self._found[kind] = ScalerCondition(
            type=kind, status=status, reason=reason, message=message,
            lastTransitionTime=since or timestamp(self._now),
        )  # fmt: skip

    def limited(self, found: Limited, least: int, most: int) -> None:
        if found.stabilized:
            self.set("AbleToScale", True, found.stabilized, STABILIZED[found.stabilized])
        else:
            self.set("AbleToScale", True, "ReadyForNewScale", "recommended size matches current size")
        if found.reason:
            self.set("ScalingLimited", True, found.reason, LIMITS[found.reason])
        else:
            within = "the desired count is within the acceptable range"
            self.set("ScalingLimited", False, "DesiredWithinRange", within)

    def listed(self) -> list[ScalerCondition]:
        return list(self._found.values())


def new_status(
    scaler: Scaler, current: int, desired: int, metrics: list[dict[str, Any]], conditions: Conditions,
    scaled_at: datetime | None,
) -> dict[str, Any]:  # fmt: skip
    status: dict[str, Any] = {
        "currentReplicas": current,
        "desiredReplicas": desired,
        "currentMetrics": metrics,
        "conditions": [
            {name: value for name in c.__struct_fields__ if (value := getattr(c, name))} for c in conditions.listed()
        ],
    }
    if scaler.metadata.generation:
        status["observedGeneration"] = scaler.metadata.generation
    if scaled_at is not None:
        status["lastScaleTime"] = timestamp(scaled_at)
    return status
