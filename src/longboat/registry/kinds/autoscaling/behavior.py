"""How fast an autoscaler may move (autoscaling/v2, HorizontalPodAutoscalerBehavior)."""

from __future__ import annotations

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules

LONGEST_WINDOW, LONGEST_PERIOD = 3600, 1800  # seconds
SELECTIONS, POLICIES = ("Disabled", "Max", "Min"), ("Percent", "Pods")
ABOVE_ZERO = "must be greater than zero"


def at_most(limit: int) -> str:
    return f"must be less than or equal to {limit}"


def validate(behavior: Object, path: Path, err: Errors) -> None:
    for direction in ("scaleUp", "scaleDown"):
        if (found := behavior.get(direction)) is not None:
            _rules(found, path.at(direction), err)


def _rules(found: Object, path: Path, err: Errors) -> None:
    window, selection = found.get("stabilizationWindowSeconds"), found.get("selectPolicy")
    if window is not None and window < 0:
        err.invalid(path.at("stabilizationWindowSeconds"), window, "must be greater than or equal to zero")
    if window is not None and window > LONGEST_WINDOW:
        err.invalid(path.at("stabilizationWindowSeconds"), window, at_most(LONGEST_WINDOW))
    if selection is not None and selection not in SELECTIONS:
        err.not_supported(path.at("selectPolicy"), selection, SELECTIONS)
    policies = found.get("policies") or []
    if not policies:
        err.required(path.at("policies"), "must specify at least one Policy")
    for i, policy in enumerate(policies):
        _policy(policy, path.at("policies").index(i), err)
    if (tolerance := found.get("tolerance")) is not None:
        rules.amount_not_negative(tolerance, path.at("tolerance"), err)


def _policy(policy: Object, path: Path, err: Errors) -> None:
    value, period = policy.get("value") or 0, policy.get("periodSeconds") or 0
    if policy.get("type") not in POLICIES:
        err.not_supported(path.at("type"), policy.get("type") or "", POLICIES)
    if value <= 0:
        err.invalid(path.at("value"), value, ABOVE_ZERO)
    if period <= 0:
        err.invalid(path.at("periodSeconds"), period, ABOVE_ZERO)
    if period > LONGEST_PERIOD:
        err.invalid(path.at("periodSeconds"), period, at_most(LONGEST_PERIOD))
