"""ReplicaSet: so many pods of one template."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE
from longboat.registry.kinds import cells, fill, workload
from longboat.registry.kinds.core.pod import defaults
from longboat.registry.strategy import Context, ScaleFields, Strategy


class ReplicaSet(Strategy):
    kind = kinds.REPLICA_SET
    columns = (
        workload.DESIRED,
        workload.CURRENT,
        workload.READY,
        AGE,
        *cells.template("spec", "template"),
        workload.SELECTOR,
    )
    has_status = True
    scale = ScaleFields()
    selectable = frozenset(("status.replicas",))

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        fill.absent(spec, "replicas", 1)
        defaults.template(fill.part(spec, "template"))
        fill.absent(fill.part(obj, "status"), "replicas", 0)

    def prepare_create(self, new: Object, ctx: Context) -> None:
        new["status"] = {"replicas": 0}

    def fields(self, obj: Object) -> dict[str, str]:
        return {"status.replicas": str(dig(obj, "status", "replicas", default=0))}
