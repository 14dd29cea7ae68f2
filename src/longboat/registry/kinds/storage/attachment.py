"""VolumeAttachment and VolumeAttributesClass."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.kinds.storage.storage_class import is_default
from longboat.registry.strategy import Context, Strategy


class VolumeAttachment(Strategy):
    kind = kinds.VOLUME_ATTACHMENT
    columns = (
        Column("Attacher", str, cells.at("spec.attacher"), description="Who attaches it."),
        Column("PV", str, cells.at("spec.source.persistentVolumeName"), description="Which volume."),
        Column("Node", str, cells.at("spec.nodeName"), description="To which node."),
        Column("Attached", bool, cells.at("status.attached", False), description="Whether it is attached."),
        AGE,
    )
    has_status = True
    generation = False

    def default(self, obj: Object) -> None:
        fill.absent(fill.part(obj, "status"), "attached", False)

    def prepare_create(self, new: Object, ctx: Context) -> None:
        new["status"] = {"attached": False}

    def validate(self, new: Object, err: Errors) -> None:
        for field in ("attacher", "nodeName"):
            if not dig(new, "spec", field):
                err.required(Path("spec", field))

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        if new.get("spec") != old.get("spec"):
            err.invalid(Path("spec"), new.get("spec"), rules.IMMUTABLE)


class VolumeAttributesClass(Strategy):
    kind = kinds.VOLUME_ATTRIBUTES_CLASS
    columns = (
        Column("Name", str,
               lambda obj: dig(obj, "metadata", "name", default="") + (" (default)" if is_default(obj) else ""),
               description="The name.", format="name"),
        Column("DriverName", str, cells.at("driverName"), description="Whose volumes it is for."),
        AGE,
    )  # fmt: skip
    generation = False

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        for field in ("driverName", "parameters"):
            if new.get(field) != old.get(field):
                err.forbidden(Path(field), f"updates to {field} are forbidden.")
