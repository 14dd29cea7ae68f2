"""VolumeAttachment and VolumeAttributesClass."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.machinery.types import internal
from longboat.registry.kinds import cells, rules
from longboat.registry.kinds.core.persistent_volume import validate_spec
from longboat.registry.kinds.storage.storage_class import is_default, parameters, provisioner
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
SPEC = "io.k8s.api.storage.v1.VolumeAttachmentSpec"
MOST_METADATA = 256 << 10  # bytes
LONGEST_MESSAGE = 1024


class VolumeAttachment(Strategy):
    kind = kinds.VOLUME_ATTACHMENT
    returns_deleted = True
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
    update_order = (*WHOLE_METADATA, OBJECT, CHANGE)
    part_order = update_order

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        attacher, source = spec.get("attacher") or "", spec.get("source") or {}
        if not attacher:
            err.required(_SPEC.at("attacher"))
        _source(source, _SPEC.at("source"), err)
        node = spec.get("nodeName") or ""
        err.extend(_SPEC.at("nodeName"), names.dns1123_subdomain(node), node)
        _status(new.get("status") or {}, err)
        if attacher:
            rules.driver_name(attacher, _SPEC.at("attacher"), err)
        if (name := source.get("persistentVolumeName")) is not None:
            err.extend(_SPEC.at("source", "persistentVolumeName"), names.dns1123_subdomain(name), name)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        if not internal.same(SPEC, spec, old.get("spec") or {}):
            err.invalid(Path("spec"), internal.whole(SPEC, spec), rules.IMMUTABLE)


def _source(found: Object, path: Path, err: Errors) -> None:
    name, inline = found.get("persistentVolumeName"), found.get("inlineVolumeSpec")
    either = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if name is None and inline is None:
        err.required(path, either)
    elif name is not None and inline is not None:
        err.forbidden(path, either)
    elif name == "":
        err.required(path.at("persistentVolumeName"), "must specify non empty persistentVolumeName")
    elif inline is not None:
        validate_spec(inline, path.at("inlineVolumeSpec"), err, inline=True)


def _status(found: Object, err: Errors) -> None:
    size = sum(
        len(key.encode()) + len(value.encode()) for key, value in (found.get("attachmentMetadata") or {}).items()
    )
    if size > MOST_METADATA:
        err.too_long(Path("status", "attachmentMetadata"), MOST_METADATA)
    for field in ("attachError", "detachError"):
        if len(dig(found, field, "message", default="").encode()) > LONGEST_MESSAGE:
            err.too_long(Path("status", field, "message"), MOST_METADATA)
        if (code := dig(found, field, "errorCode")) is not None and code < 0:
            err.invalid(Path("status", field, "errorCode"), code, rules.between(0, rules.MAX_INT32))


class VolumeAttributesClass(Strategy):
    kind = kinds.VOLUME_ATTRIBUTES_CLASS
    returns_deleted = True
    columns = (
        Column("Name", str,
               lambda obj: dig(obj, "metadata", "name", default="") + (" (default)" if is_default(obj) else ""),
               description="The name.", format="name"),
        Column("DriverName", str, cells.at("driverName"), description="Whose volumes it is for."),
        AGE,
    )  # fmt: skip
    generation = False
    update_order = (*WHOLE_METADATA_CHANGE, CHANGE, *WHOLE_METADATA, OBJECT)

    def validate(self, new: Object, err: Errors) -> None:
        provisioner(new.get("driverName") or "", Path("driverName"), err)
        parameters(new.get("parameters") or {}, Path("parameters"), err)
        if not new.get("parameters"):
            err.required(Path("parameters"), "must contain at least one key/value pair")

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        for field in ("driverName", "parameters"):
            if new.get(field) != old.get(field):
                err.forbidden(Path(field), f"updates to {field} are forbidden.")
