"""VolumeAttachment and VolumeAttributesClass."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, rules
from longboat.registry.kinds.storage.storage_class import is_default, parameters, provisioner
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
MOST_METADATA = 256 << 10  # bytes
LONGEST_MESSAGE = 1024


class VolumeAttachment(Strategy):
    kind = kinds.VOLUME_ATTACHMENT
    unconditional_update = False
    columns = (
        Column("Attacher", str, cells.at("spec.attacher"), description="Who attaches it."),
        Column("PV", str, cells.at("spec.source.persistentVolumeName"), description="Which volume."),
        Column("Node", str, cells.at("spec.nodeName"), description="To which node."),
        Column("Attached", bool, cells.at("status.attached", False), description="Whether it is attached."),
        AGE,
    )
    has_status = True
    generation = False

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        if not spec.get("attacher"):
            err.required(_SPEC.at("attacher"))
        _source(spec.get("source") or {}, _SPEC.at("source"), err)
        node = spec.get("nodeName") or ""
        err.extend(_SPEC.at("nodeName"), names.dns1123_subdomain(node), node)
        _status(new.get("status") or {}, err)

    def validate_create(self, new: Object, err: Errors) -> None:
        rules.driver_name(dig(new, "spec", "attacher", default=""), _SPEC.at("attacher"), err)
        if name := dig(new, "spec", "source", "persistentVolumeName"):
            err.extend(_SPEC.at("source", "persistentVolumeName"), names.dns1123_subdomain(name), name)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        if new.get("spec") != old.get("spec"):
            err.invalid(Path("spec"), new.get("spec"), rules.IMMUTABLE)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        _status(new.get("status") or {}, err)


def _source(found: Object, path: Path, err: Errors) -> None:
    name, inline = found.get("persistentVolumeName"), found.get("inlineVolumeSpec")
    either = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if name is None and inline is None:
        err.required(path, either)
    elif name is not None and inline is not None:
        err.forbidden(path, either)
    elif name == "":
        err.required(path.at("persistentVolumeName"), "must specify non empty persistentVolumeName")


def _status(found: Object, err: Errors) -> None:
    size = sum(len(key) + len(value) for key, value in (found.get("attachmentMetadata") or {}).items())
    if size > MOST_METADATA:
        err.too_long(Path("status", "attachmentMetadata"), MOST_METADATA)
    for field in ("attachError", "detachError"):
        if len(dig(found, field, "message", default="")) > LONGEST_MESSAGE:
            err.too_long(Path("status", field, "message"), MOST_METADATA)


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

    def validate(self, new: Object, err: Errors) -> None:
        provisioner(new.get("driverName") or "", Path("driverName"), err)
        parameters(new.get("parameters") or {}, Path("parameters"), err)
        if not new.get("parameters"):
            err.required(Path("parameters"), "must contain at least one key/value pair")

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        for field in ("driverName", "parameters"):
            if new.get(field) != old.get(field):
                err.forbidden(Path(field), f"updates to {field} are forbidden.")
