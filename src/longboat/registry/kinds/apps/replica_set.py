"""ReplicaSet: so many pods of one template."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE
from longboat.registry.kinds import cells, fill, rules, workload
from longboat.registry.kinds.core.pod import defaults, notes
from longboat.registry.strategy import ScaleFields, Strategy
from longboat.registry.write import Write


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

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def fields(self, obj: Object) -> dict[str, str]:
        return {"status.replicas": str(dig(obj, "status", "replicas", default=0))}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        for field in ("replicas", "minReadySeconds"):
            rules.not_negative(spec.get(field), Path("spec", field), err)
        workload.validate_spec(spec, err, "Deployment", maker="ReplicaSet")  # the words are upstream's

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        workload.validate_update(new, old, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        parts = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
        workload.validate_counts(new, err, "replicas", *parts, "observedGeneration")
        for smaller in parts:
            workload.no_more_than(new, smaller, "replicas", err)
        workload.no_more_than(new, "availableReplicas", "readyReplicas", err, "readyReplicas")

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return notes.workload(new, old)
