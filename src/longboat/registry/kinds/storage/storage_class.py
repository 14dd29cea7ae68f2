"""StorageClass: where volumes come from when they are asked for."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.strategy import Strategy

DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
FIXED = {"parameters": "updates to parameters are forbidden.", "provisioner": "updates to provisioner are forbidden.",
         "reclaimPolicy": "updates to reclaimPolicy are forbidden."}  # fmt: skip


def is_default(obj: Object) -> bool:
    return any(dig(obj, "metadata", "annotations", note) == "true" for note in DEFAULT)


def _name(obj: Object) -> str:
    name: str = dig(obj, "metadata", "name", default="")
    return f"{name} (default)" if is_default(obj) else name


class StorageClass(Strategy):
    kind = kinds.STORAGE_CLASS
    columns = (
        Column("Name", str, _name, description="The name, and whether it is the default.", format="name"),
        Column("Provisioner", str, cells.at("provisioner"), description="Who makes its volumes."),
        Column("ReclaimPolicy", str, cells.at("reclaimPolicy", "Delete"),
               description="What becomes of a volume when its claim goes."),
        Column("VolumeBindingMode", str, cells.at("volumeBindingMode", "Immediate"),
               description="When a volume is made."),
        Column("AllowVolumeExpansion", bool, cells.at("allowVolumeExpansion", False),
               description="Whether its volumes can grow."),
        AGE,
    )  # fmt: skip
    generation = False

    def default(self, obj: Object) -> None:
        fill.absent(obj, "reclaimPolicy", "Delete")
        fill.absent(obj, "volumeBindingMode", "Immediate")

    def validate(self, new: Object, err: Errors) -> None:
        provisioner = new.get("provisioner") or ""
        if not provisioner:
            err.required(Path("provisioner"))
        else:
            rules.label_name(provisioner.lower(), Path("provisioner"), err)
        rules.maybe_one_of(new.get("reclaimPolicy"), ("Delete", "Retain"), Path("reclaimPolicy"), err)
        rules.one_of(
            new.get("volumeBindingMode"), ("Immediate", "WaitForFirstConsumer"), Path("volumeBindingMode"), err
        )
        if any(not key for key in new.get("parameters") or ()):
            err.invalid(Path("parameters"), "", "field can not be empty.")

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        for field, why in FIXED.items():
            if (new.get(field) or None) != (old.get(field) or None):
                err.forbidden(Path(field), why)
        rules.immutable(new.get("volumeBindingMode"), old.get("volumeBindingMode"), Path("volumeBindingMode"), err)
