"""RuntimeClass: which configuration of the container runtime runs a pod."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, notes, rules
from longboat.registry.kinds.core import resources
from longboat.registry.kinds.core.pod import scheduling
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy


class RuntimeClass(Strategy):
    kind = kinds.RUNTIME_CLASS
    update_order = (*WHOLE_METADATA, OBJECT, *WHOLE_METADATA_CHANGE, CHANGE)
    unconditional_update = False
    columns = (Column("Handler", str, cells.at("handler"), description="What the runtime calls it."), AGE)
    generation = False

    def validate(self, new: Object, err: Errors) -> None:
        rules.named(new.get("handler") or "", Path("handler"), err, names.dns1123_label)
        resources.requirements(
            {"limits": dig(new, "overhead", "podFixed")}, Path("overhead"), err
        )  # as what it adds to
        wanted = new.get("scheduling") or {}
        rules.labels(wanted.get("nodeSelector"), Path("scheduling", "nodeSelector"), err)
        scheduling.tolerations(wanted.get("tolerations") or [], Path("scheduling", "tolerations"), err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        path, found = Path("scheduling", "nodeSelector"), dig(new, "scheduling", "nodeSelector", default={})
        return [f"{path}: {notes.NODE_LABELS[label]}" for label in sorted(found) if label in notes.NODE_LABELS]

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        rules.immutable(new.get("handler") or "", old.get("handler"), Path("handler"), err)
