"""PersistentVolumeClaim: a request for storage that outlives pods."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.machinery.types import internal
from longboat.registry.kinds import cells, fill, notes, rules
from longboat.registry.kinds.core import claim_status
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy
from longboat.registry.write import Write

MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
VOLUME_MODES = ("Block", "Filesystem")
CLASS = notes.STORAGE_CLASS

IMMUTABLE = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"

_SPEC = Path("spec")
CLAIM_SPEC = "io.k8s.api.core.v1.PersistentVolumeClaimSpec"


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


def settle_sources(spec: Object, former: Object) -> None:
    """dataSource and dataSourceRef are two names of one thing, but for what the older name never took: that is dropped,
    unless the newer one is given too, or the claim had a source before (KEP-1495)."""
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    had = former.get("dataSource") is not None or former.get("dataSourceRef") is not None
    if source is not None and ref is None and not had and not _may_be_data_source(source):
        source = None
        del spec["dataSource"]
    if source is not None and ref is None:
        spec["dataSourceRef"] = dict(source)
    elif source is None and ref is not None and not ref.get("namespace"):
        spec["dataSource"] = {field: value for field, value in ref.items() if field != "namespace"}


def _may_be_data_source(found: Object | None) -> bool:
    of_kind = ((found or {}).get("apiGroup") or "", (found or {}).get("kind"))
    return of_kind in (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def access_modes(found: list[str], path: Path, err: Errors, why: str = "") -> None:
    if not found:
        err.required(path, why)
    for mode in found:
        if mode not in MODES:
            err.not_supported(path, mode, MODES)
    if "ReadWriteOncePod" in found and any(mode in MODES and mode != "ReadWriteOncePod" for mode in found):
        err.forbidden(path, "may not use ReadWriteOncePod with other access modes")


def validate_spec(spec: Object, path: Path, err: Errors) -> None:
    access_modes(
        spec.get("accessModes") or [], path.at("accessModes"), err, "at least 1 access mode is required"
    )  # fmt: skip
    rules.label_selector(spec.get("selector"), path.at("selector"), err)
    at = path.at("resources").key("storage")
    wanted = dig(spec, "resources", "requests", "storage")
    if wanted is None:
        err.required(at)
    elif rules.amount(wanted, at, err).amount <= 0:
        err.invalid(at, wanted, "must be greater than zero")
    if name := spec.get("storageClassName"):
        err.extend(path.at("storageClassName"), names.dns1123_subdomain(name), name)
    rules.given_one_of(spec.get("volumeMode"), VOLUME_MODES, path.at("volumeMode"), err)
    _sources(spec, path, err)
    if name := spec.get("volumeAttributesClassName"):
        err.extend(path.at("volumeAttributesClassName"), names.dns1123_subdomain(name), name)


def _sources(spec: Object, path: Path, err: Errors) -> None:
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    for field, found in (("dataSource", source), ("dataSourceRef", ref)):
        if found is not None:
            _reference(found, path.at(field), err)
    if source is None or ref is None:
        return
    if ref.get("namespace"):  # upstream shows a path here, which comes out as {}
        err.invalid(path, {}, "may not be specified when dataSourceRef.namespace is specified")
    elif any(source.get(field) != ref.get(field) for field in ("apiGroup", "kind", "name")):
        err.invalid(path, {}, "must match dataSourceRef")


def _reference(found: Object, path: Path, err: Errors) -> None:
    for field in ("name", "kind"):
        if not found.get(field):
            err.required(path.at(field))
    group = found.get("apiGroup")
    if not group and found.get("kind") != "PersistentVolumeClaim":
        why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        err.invalid(path, found.get("kind") or "", why)
    if group:
        err.extend(path.at("apiGroup"), names.dns1123_subdomain(group), group)
    if namespace := found.get("namespace"):
        err.extend(path.at("namespace"), names.dns1123_label(namespace), namespace)


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
    update_order = (*WHOLE_METADATA_CHANGE, *WHOLE_METADATA, OBJECT, CHANGE)
    returns_deleted = True

    def default(self, obj: Object) -> None:
        default_spec(fill.part(obj, "spec"))
        fill.empty(fill.part(obj, "status"), "phase", "Pending")

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {"phase": "Pending"}
        settle_sources(fill.part(new, "spec"), {})

    def prepare_update(self, new: Object, old: Object, write: Write) -> None:
        settle_sources(fill.part(new, "spec"), old.get("spec") or {})

    def validate(self, new: Object, err: Errors) -> None:
        validate_spec(new.get("spec") or {}, _SPEC, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        """Once asked for, only a bound claim's size and attributes may change; a volume may be named while there is
        none, and a class."""
        spec, former = (new.get("spec") or {}).copy(), (old.get("spec") or {}).copy()
        changed = spec.copy()
        if not former.get("volumeName"):
            former["volumeName"] = spec.get("volumeName")
        if not _class_follows_note(new, old, changed):
            note, before = (dig(obj, "metadata", "annotations", CLASS) or "" for obj in (new, old))
            rules.immutable(note, before, Path("metadata", "annotations", CLASS), err)
            if _class_may_come(new, old):
                changed["storageClassName"] = former.get("storageClassName")
        if dig(new, "status", "phase") == "Bound":
            changed["volumeAttributesClassName"] = former.get("volumeAttributesClassName")
            if dig(spec, "resources", "requests") is not None:
                requests = spec["resources"]["requests"] | {"storage": dig(former, "resources", "requests", "storage")}
                changed["resources"] = spec["resources"] | {"requests": requests}
        if not internal.same(CLAIM_SPEC, changed, former):
            err.forbidden(_SPEC, f"{IMMUTABLE}\n{internal.difference(CLAIM_SPEC, former, changed)}")
        _shrinks(spec, former, old, err)
        rules.immutable(spec.get("volumeMode"), former.get("volumeMode"), Path("volumeMode"), err)
        _attributes_class(spec, old, err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return notes.annotated(new, notes.STORAGE_CLASS) + notes.first(notes.claim(new.get("spec") or {}, _SPEC))

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        claim_status.validate(new, err)


def _class_follows_note(new: Object, old: Object, changed: Object) -> bool:
    """Whether the field says now what the annotation, which came before it, said."""
    note, now = (dig(obj, "metadata", "annotations", CLASS) for obj in (old, new))
    follows = (
        note is not None
        and dig(old, "spec", "storageClassName") is None
        and dig(new, "spec", "storageClassName") == note
        and now in (None, note)
    )
    if follows:
        changed["storageClassName"] = None
    return follows


def _class_may_come(new: Object, old: Object) -> bool:
    """A claim that named no class may be given one, a retroactive default or what its annotation says."""
    name = dig(new, "spec", "storageClassName")
    note = dig(old, "metadata", "annotations", CLASS)
    return name is not None and dig(old, "spec", "storageClassName") is None and note in (None, name)


def _shrinks(spec: Object, former: Object, old: Object, err: Errors) -> None:
    """Less may be asked for only to recover from growing that failed, and never less than there is."""
    at, quiet = _SPEC.at("resources", "requests", "storage"), Errors()
    wanted, had, has = (
        rules.amount(dig(part, *steps, "storage", default="0"), at, quiet)
        for part, steps in (
            (spec, ("resources", "requests")), (former, ("resources", "requests")), (old, ("status", "capacity")),
        )
    )  # fmt: skip
    if wanted < had and wanted <= has:
        err.forbidden(at, "field can not be less than status.capacity")


def _attributes_class(spec: Object, old: Object, err: Errors) -> None:
    """Once a class is in force, another may follow, but not none."""
    at, name = _SPEC.at("volumeAttributesClassName"), spec.get("volumeAttributesClassName")
    if dig(old, "status", "currentVolumeAttributesClassName") is None or name:
        return
    if name != dig(old, "spec", "volumeAttributesClassName"):
        shown = "nil" if name is None else "empty string"
        err.forbidden(at, f"update to {shown} is forbidden when status.currentVolumeAttributesClassName is not nil")
