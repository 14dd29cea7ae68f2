"""ControllerRevision: what a StatefulSet or DaemonSet looked like at some time."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, rules
from longboat.registry.strategy import Strategy


def _controller(revision: Object) -> str:
    owners = dig(revision, "metadata", "ownerReferences", default=())
    owner = next((o for o in owners if o.get("controller")), None)
    if owner is None:
        return cells.NONE
    group = (owner.get("apiVersion") or "").rpartition("/")[0]
    kind = (owner.get("kind") or "").lower()
    return f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"


class ControllerRevision(Strategy):
    kind = kinds.CONTROLLER_REVISION
    columns = (
        Column("Controller", str, _controller, description="Whose revision it is."),
        Column("Revision", int, cells.at("revision", 0), description="Its number."),
        AGE,
    )
    generation = False

    def validate(self, new: Object, err: Errors) -> None:
        rules.not_negative(new.get("revision"), Path("revision"), err)
        if new.get("data") is None:
            err.required(Path("data"), "data is mandatory")

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        rules.immutable(new.get("data"), old.get("data"), Path("data"), err)
