"""ReplicationController: what ReplicaSet was before it had a better selector."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import selectors
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.machinery.types.emptied import as_sent
from longboat.registry.kinds import cells, fill, rules, workload
from longboat.registry.kinds.core.pod import defaults, notes
from longboat.registry.kinds.core.pod import spec as pod_spec
from longboat.registry.strategy import ScaleFields, Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")


class ReplicationController(Strategy):
    kind = kinds.REPLICATION_CONTROLLER
    columns = (
        workload.DESIRED,
        workload.CURRENT,
        workload.READY,
        AGE,
        *cells.template("spec", "template"),
        Column("Selector", str, lambda rc: cells.labels(dig(rc, "spec", "selector")), 1, "Which pods are its own."),
    )
    has_status = True
    scale = ScaleFields()
    storage_prefix = "controllers"
    selectable = frozenset(("status.replicas",))

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        workload.template_labels_as_own(obj)
        fill.absent(spec, "replicas", 1)
        if spec.get("template") is not None:
            defaults.template(spec["template"])

    def default_propagation(self) -> str:
        return "Orphan"  # as it was before there was a garbage collector

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def fields(self, obj: Object) -> dict[str, str]:
        return {"status.replicas": str(dig(obj, "status", "replicas", default=0))}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        for field in ("minReadySeconds", "replicas"):
            rules.not_negative(spec.get(field), _SPEC.at(field), err)
        selector, template = spec.get("selector") or {}, spec.get("template")
        if not selector:
            err.required(_SPEC.at("selector"))
        if template is None:
            err.required(_SPEC.at("template"))
            return
        labels = as_sent(template.get("metadata"), "labels")
        if selector and not selectors.from_map(selector).matches(labels or {}):
            why = "`selector` does not match template `labels`"
            err.invalid(_SPEC.at("template", "metadata", "labels"), labels, why)
        pod_spec.template(template, _SPEC.at("template"), err)
        policy = dig(template, "spec", "restartPolicy")
        if policy != "Always":
            err.not_supported(_SPEC.at("template", "spec", "restartPolicy"), policy or "", ("Always",))
        if dig(template, "spec", "activeDeadlineSeconds") is not None:
            why = "activeDeadlineSeconds in ReplicationController is not Supported"
            err.forbidden(_SPEC.at("template", "spec", "activeDeadlineSeconds"), why)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """On an update upstream looks at the template there was."""
        found = new if old is None else old
        return (notes.pods_names(new) if old is None else []) + notes.template(
            dig(found, "spec", "template"), _SPEC.at("template")
        )
