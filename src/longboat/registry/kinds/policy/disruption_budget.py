"""PodDisruptionBudget: how many of its pods may be missing at a time."""

from __future__ import annotations

from typing import Any

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, conditions, rules
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
COUNTS = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")


def _limit(field: str) -> Any:
    def shown(budget: Object) -> str:
        value = dig(budget, "spec", field)
        return "N/A" if value is None else str(value)

    return shown


class PodDisruptionBudget(Strategy):
    kind = kinds.POD_DISRUPTION_BUDGET
    unconditional_update = False
    columns = (
        Column("Min Available", str, _limit("minAvailable"), description="How many must be there."),
        Column("Max Unavailable", str, _limit("maxUnavailable"), description="How many may be missing."),
        Column("Allowed Disruptions", int, cells.at("status.disruptionsAllowed", 0),
               description="How many may be evicted now."),
        AGE,
    )  # fmt: skip
    has_status = True

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        both = [spec.get(field) for field in ("minAvailable", "maxUnavailable")]
        if None not in both:
            err.invalid(_SPEC, spec, "minAvailable and maxUnavailable cannot be both set")
        for field, value in zip(("minAvailable", "maxUnavailable"), both, strict=True):
            if value is not None:
                rules.percent_or_count(value, _SPEC.at(field), err)
                rules.at_most_100_percent(value, _SPEC.at(field), err)
        rules.label_selector(spec.get("selector"), _SPEC.at("selector"), err)
        allowed = ("AlwaysAllow", "IfHealthyBudget")
        rules.given_one_of(spec.get("unhealthyPodEvictionPolicy"), allowed, _SPEC.at("unhealthyPodEvictionPolicy"), err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        conditions.validate(dig(new, "status", "conditions", default=()), Path("status", "conditions"), err)
        for field in COUNTS:
            rules.not_negative(dig(new, "status", field), Path("status", field), err)
