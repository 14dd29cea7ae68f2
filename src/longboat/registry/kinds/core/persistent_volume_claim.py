"""PersistentVolumeClaim: a request for storage that outlives pods."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, difference, fill, rules
from longboat.registry.strategy import Context, Strategy

MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
VOLUME_MODES = ("Block", "Filesystem")
CLASS = "volume.beta.kubernetes.io/storage-class"

IMMUTABLE = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"

_SPEC = Path("spec")


def modes(found: list[str] | None) -> str:
    """Access modes as tables show them."""
    return ",".join(short for mode, short in MODES.items() if mode in (found or ()))


def storage_class(obj: Object) -> str:
    """The class of a claim or a volume."""
    return dig(obj, "metadata", "annotations", CLASS) or dig(obj, "spec", "storageClassName") or ""


def phase(obj: Object) -> str:
    return "Terminating" if dig(obj, "metadata", "deletionTimestamp") else dig(obj, "status", "phase", default="")


def default_spec(spec: Object) -> None:
    fill.absent(spec, "volumeMode", "Filesystem")
    for field in ("dataSource", "dataSourceRef"):  # two names of one thing
        other = {"dataSource": "dataSourceRef", "dataSourceRef": "dataSource"}[field]
        if spec.get(field) is None and spec.get(other) is not None and not (spec[other].get("namespace")):
            spec[field] = dict(spec[other])


def validate_spec(spec: Object, path: Path, err: Errors) -> None:
    access = spec.get("accessModes") or []
    if not access:
        err.required(path.at("accessModes"), "at least 1 access mode is required")
    rules.label_selector(spec.get("selector"), path.at("selector"), err)
    for mode in access:
        if mode not in MODES:
            err.not_supported(path.at("accessModes"), mode, MODES)
    if "ReadWriteOncePod" in access and len(access) > 1:
        err.forbidden(path.at("accessModes"), "may not use ReadWriteOncePod with other access modes")
    at = path.at("resources").key("storage")
    wanted = dig(spec, "resources", "requests", "storage")
    if wanted is None:
        err.required(at)
    elif rules.amount(wanted, at, err).amount <= 0:
        err.invalid(at, wanted, "must be greater than zero")
    if name := spec.get("storageClassName"):
        err.extend(path.at("storageClassName"), names.dns1123_subdomain(name), name)
    rules.maybe_one_of(spec.get("volumeMode"), VOLUME_MODES, path.at("volumeMode"), err)


class PersistentVolumeClaim(Strategy):
    kind = kinds.PERSISTENT_VOLUME_CLAIM
    columns = (
        Column("Status", str, phase, description="Whether it is bound."),
        Column("Volume", str, cells.at("spec.volumeName"), description="The volume it is bound to."),
        Column("Capacity", str,
               lambda claim: dig(claim, "status", "capacity", "storage", default="0")
               if dig(claim, "spec", "volumeName") else "", description="How much the volume holds."),
        Column("Access Modes", str,
               lambda claim: modes(dig(claim, "status", "accessModes")) if dig(claim, "spec", "volumeName") else "",
               description="How it may be mounted."),
        Column("StorageClass", str, storage_class, description="StorageClass of the pvc"),
        Column("VolumeAttributesClass", str,
               lambda claim: dig(claim, "spec", "volumeAttributesClassName", default=cells.UNSET),
               description="VolumeAttributesClass of the pvc"),
        AGE,
        Column("VolumeMode", str, cells.at("spec.volumeMode", cells.UNSET), 1, "Files or a block device."),
    )  # fmt: skip
    has_status = True
    generation = False
    returns_deleted = True

    def default(self, obj: Object) -> None:
        default_spec(fill.part(obj, "spec"))
        fill.empty(fill.part(obj, "status"), "phase", "Pending")

    def prepare_create(self, new: Object, ctx: Context) -> None:
        new["status"] = {"phase": "Pending"}

    def validate(self, new: Object, err: Errors) -> None:
        validate_spec(new.get("spec") or {}, _SPEC, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        """Once asked for, only a bound claim's size may change; a volume may be named while there is none."""
        spec, former = dict(new.get("spec") or {}), old.get("spec") or {}
        free = []
        if dig(new, "status", "phase") == "Bound":
            free += ["resources", "volumeAttributesClassName"]
        if not former.get("volumeName"):
            free.append("volumeName")
        if former.get("storageClassName") is None:
            free.append("storageClassName")
        changed = spec | {field: former.get(field) for field in free}
        if difference.plain(changed) != difference.plain(former):
            err.forbidden(_SPEC, f"{IMMUTABLE}\n{difference.shown(former, changed)}")
        at, quiet = _SPEC.at("resources", "requests", "storage"), Errors()
        wanted, had, has = (
            rules.amount(dig(part, *steps, "storage", default="0"), at, quiet)
            for part, steps in (
                (spec, ("resources", "requests")), (former, ("resources", "requests")), (old, ("status", "capacity")),
            )
        )  # fmt: skip
        if wanted < had and wanted <= has:
            err.forbidden(at, "field can not be less than status.capacity")
