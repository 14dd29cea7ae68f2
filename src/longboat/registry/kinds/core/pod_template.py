"""PodTemplate: a pod to be, kept for whoever wants to make it."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill
from longboat.registry.kinds.core.pod import defaults, notes
from longboat.registry.kinds.core.pod import spec as pod_spec
from longboat.registry.strategy import Strategy


class PodTemplate(Strategy):
    kind = kinds.POD_TEMPLATE
    columns = (
        *(Column(c.name, c.kind, c.value, 0, c.description) for c in cells.template("template")),
        Column("Pod Labels", str, lambda obj: cells.labels(dig(obj, "template", "metadata", "labels")),
               description="The labels of its pods."),
        AGE,
    )  # fmt: skip
    returns_deleted = True

    def default(self, obj: Object) -> None:
        defaults.template(fill.part(obj, "template"))

    def validate(self, new: Object, err: Errors) -> None:
        pod_spec.template(new.get("template"), Path("template"), err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return notes.template(new.get("template"), Path("template"))
