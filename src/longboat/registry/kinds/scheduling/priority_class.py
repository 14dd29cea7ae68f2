"""PriorityClass: how much a pod matters."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.strategy import Strategy

HIGHEST = 1_000_000_000  # that users may define
SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
POLICIES = ("PreemptLowerPriority", "Never")


class PriorityClass(Strategy):
    kind = kinds.PRIORITY_CLASS
    columns = (
        Column("Value", int, cells.at("value", 0), description="The priority of its pods."),
        Column("Global-Default", bool, cells.at("globalDefault", False), description="Whether it is the default."),
        AGE,
        Column("PreemptionPolicy", str, cells.at("preemptionPolicy"), description="Whether its pods evict others."),
    )

    def default(self, obj: Object) -> None:
        fill.absent(obj, "preemptionPolicy", "PreemptLowerPriority")
        fill.absent(obj, "value", 0)

    def validate_create(self, new: Object, err: Errors) -> None:
        name, value = dig(new, "metadata", "name", default=""), new.get("value") or 0
        if name.startswith("system-"):
            if SYSTEM.get(name) != value:
                why = "priority class names with 'system-' prefix are reserved for system use only. error: "
                why += f"{name} is not a known system priority class" if name not in SYSTEM else (
                    f"value of {name} PriorityClass must be {SYSTEM[name]}")  # fmt: skip
                err.forbidden(Path("metadata", "name"), why)
        elif value > HIGHEST:
            err.forbidden(Path("value"), f"maximum allowed value of a user defined priority is {HIGHEST}")
        policy, path = new.get("preemptionPolicy"), Path("preemptionPolicy")
        if not policy:
            err.required(path)
        elif policy not in POLICIES:
            err.not_supported(path, policy, POLICIES, as_given=True)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        if new.get("value") != old.get("value"):
            err.forbidden(Path("value"), "may not be changed in an update.")
        rules.immutable(new.get("preemptionPolicy"), old.get("preemptionPolicy"), Path("preemptionPolicy"), err)
