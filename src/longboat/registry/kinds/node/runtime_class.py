"""RuntimeClass: which configuration of the container runtime runs a pod."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, rules
from longboat.registry.kinds.core import resources
from longboat.registry.kinds.core.pod import scheduling
from longboat.registry.strategy import Strategy


class RuntimeClass(Strategy):
    kind = kinds.RUNTIME_CLASS
    unconditional_update = False
    columns = (Column("Handler", str, cells.at("handler"), description="What the runtime calls it."), AGE)
    generation = False

    def validate(self, new: Object, err: Errors) -> None:
        handler = new.get("handler") or ""
        err.extend(Path("handler"), names.dns1123_label(handler), handler)
        path = Path("overhead", "podFixed")
        for resource, text in dig(new, "overhead", "podFixed", default={}).items():
            resources.container_name(resource, path.key(resource), err)
            resources.value(resource, text, path.key(resource), err)
        wanted = new.get("scheduling") or {}
        rules.labels(wanted.get("nodeSelector"), Path("scheduling", "nodeSelector"), err)
        scheduling.tolerations(wanted.get("tolerations") or [], Path("scheduling", "tolerations"), err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        rules.immutable(new.get("handler"), old.get("handler"), Path("handler"), err)
