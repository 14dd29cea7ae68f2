"""Deployment: pods that are replaced step by step when their template changes."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.table import AGE, Column
from longboat.machinery.types import internal
from longboat.registry.kinds import cells, fill, rules, workload
from longboat.registry.kinds.core.pod import defaults, notes
from longboat.registry.strategy import ScaleFields, Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
STRATEGIES = ("Recreate", "RollingUpdate")


class Deployment(Strategy):
    kind = kinds.DEPLOYMENT
    columns = (
        workload.READY_OF,
        Column("Up-to-date", int, cells.at("status.updatedReplicas", 0), description="Pods of the newest template."),
        Column("Available", int, cells.at("status.availableReplicas", 0), description="Pods ready for long enough."),
        AGE,
        *cells.template("spec", "template"),
        workload.SELECTOR,
    )
    has_status = True
    counted_metadata = ("annotations",)  # its ReplicaSets get them
    scale = ScaleFields()

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        fill.absent(spec, "replicas", 1)
        strategy = fill.part(spec, "strategy")
        fill.empty(strategy, "type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            rolling = fill.part(strategy, "rollingUpdate")
            fill.absent(rolling, "maxUnavailable", "25%")
            fill.absent(rolling, "maxSurge", "25%")
        fill.absent(spec, "revisionHistoryLimit", 10)
        fill.absent(spec, "progressDeadlineSeconds", 600)
        defaults.template(fill.part(spec, "template"))

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        rules.not_negative(spec.get("replicas"), _SPEC.at("replicas"), err)
        workload.validate_spec(spec, err, "Deployment", maker="ReplicaSet")
        _strategy(spec.get("strategy") or {}, err)
        for field in ("minReadySeconds", "revisionHistoryLimit"):
            rules.not_negative(spec.get(field), _SPEC.at(field), err)
        if (deadline := spec.get("progressDeadlineSeconds")) is not None:
            rules.not_negative(deadline, _SPEC.at("progressDeadlineSeconds"), err)
            if deadline <= (spec.get("minReadySeconds") or 0):
                err.invalid(_SPEC.at("progressDeadlineSeconds"), deadline, "must be greater than minReadySeconds")

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        workload.validate_update(new, old, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        counts = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
                  "unavailableReplicas", "collisionCount")  # fmt: skip
        workload.validate_counts(new, err, *counts)
        for smaller in ("updatedReplicas", "readyReplicas", "availableReplicas"):
            workload.no_more_than(new, smaller, "replicas", err)
        workload.no_more_than(new, "availableReplicas", "readyReplicas", err, "readyReplicas")
        workload.not_decremented(new, old, err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return notes.workload(new, old)


def _strategy(strategy: Object, err: Errors) -> None:
    path, rolling = _SPEC.at("strategy"), strategy.get("rollingUpdate")
    kind = strategy.get("type")
    if kind == "Recreate" and rolling is not None:
        err.forbidden(path.at("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'")
    elif kind == "RollingUpdate":
        if rolling is None:
            err.required(path.at("rollingUpdate"), "this should be defaulted and never be nil")
        else:
            rolling_update(rolling, path.at("rollingUpdate"), err)
    elif kind not in STRATEGIES:
        err.not_supported(path, internal.whole("io.k8s.api.apps.v1.DeploymentStrategy", strategy), STRATEGIES)


def rolling_update(rolling: Object, path: Path, err: Errors) -> None:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    rules.percent_or_count(unavailable, path.at("maxUnavailable"), err)
    rules.percent_or_count(surge, path.at("maxSurge"), err)
    if rules.zero(unavailable) and rules.zero(surge):
        err.invalid(path.at("maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0")
    rules.at_most_100_percent(unavailable, path.at("maxUnavailable"), err)
