"""CSIDriver, CSINode and CSIStorageCapacity: what is known of the drivers of storage."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill
from longboat.registry.strategy import Strategy


def _modes(driver: Object) -> str:
    return cells.joined(dig(driver, "spec", "volumeLifecycleModes", default=()), cells.UNSET)


def _audiences(driver: Object) -> str:
    return cells.joined(
        (r.get("audience") or "" for r in dig(driver, "spec", "tokenRequests", default=())), cells.UNSET
    )


class CSIDriver(Strategy):
    kind = kinds.CSI_DRIVER
    columns = (
        Column("AttachRequired", bool, cells.at("spec.attachRequired", True),
               description="Whether volumes are attached before they are mounted."),
        Column("PodInfoOnMount", bool, cells.at("spec.podInfoOnMount", False),
               description="Whether the driver is told of the pod."),
        Column("StorageCapacity", bool, cells.at("spec.storageCapacity", False),
               description="Whether the scheduler asks how much room is left."),
        Column("TokenRequests", str, _audiences, description="The audiences of the tokens the driver gets."),
        Column("RequiresRepublish", bool, cells.at("spec.requiresRepublish", False),
               description="Whether it is called again and again for a mounted volume."),
        Column("Modes", str, _modes, description="Which kinds of volumes it serves."),
        AGE,
    )  # fmt: skip
    generation = False

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        fill.absent(spec, "attachRequired", True)
        fill.absent(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType")
        for field in ("podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"):
            fill.absent(spec, field, False)
        fill.empty(spec, "volumeLifecycleModes", ["Persistent"])


class CSINode(Strategy):
    kind = kinds.CSI_NODE
    columns = (
        Column("Drivers", int, lambda node: len(dig(node, "spec", "drivers", default=())),
               description="How many drivers the node has."),
        AGE,
    )  # fmt: skip
    generation = False

    def default(self, obj: Object) -> None:
        if fill.part(obj, "spec").get("drivers") is None:
            obj["spec"]["drivers"] = []


class CSIStorageCapacity(Strategy):
    kind = kinds.CSI_STORAGE_CAPACITY
    columns = (
        Column("StorageClassName", str, cells.at("storageClassName"), description="Of which class."),
        Column("Capacity", str, cells.at("capacity"), description="How much room is left."),
        AGE,
    )
    generation = False
