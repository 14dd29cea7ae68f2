"""Deployment: pods that are replaced step by step when their template changes."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.objects import Object
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, workload
from longboat.registry.kinds.core.pod import defaults
from longboat.registry.strategy import Context, ScaleFields, Strategy


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
        fill.absent(obj, "status", {})

    def prepare_create(self, new: Object, ctx: Context) -> None:
        new["status"] = {}
