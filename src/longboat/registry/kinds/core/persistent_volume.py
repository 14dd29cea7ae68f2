"""PersistentVolume: storage that claims are bound to."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.kinds.core.persistent_volume_claim import MODES, VOLUME_MODES, modes, phase, storage_class
from longboat.registry.kinds.core.pod import defaults, scheduling, volumes
from longboat.registry.strategy import Context, Strategy

_SPEC = Path("spec")
RECLAIM = ("Delete", "Recycle", "Retain")
NOT_SOURCES = frozenset((
    "capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName", "mountOptions",
    "volumeMode", "nodeAffinity", "volumeAttributesClassName",
))  # fmt: skip


def _claim(volume: Object) -> str:
    ref = dig(volume, "spec", "claimRef")
    return f"{ref.get('namespace') or ''}/{ref.get('name') or ''}" if ref is not None else ""


class PersistentVolume(Strategy):
    kind = kinds.PERSISTENT_VOLUME
    columns = (
        Column("Capacity", str, lambda pv: dig(pv, "spec", "capacity", "storage", default="0"),
               description="How much it holds."),
        Column("Access Modes", str, lambda pv: modes(dig(pv, "spec", "accessModes")),
               description="How it may be mounted."),
        Column("Reclaim Policy", str, cells.at("spec.persistentVolumeReclaimPolicy"),
               description="What becomes of it when its claim goes."),
        Column("Status", str, phase, description="Whether it is bound."),
        Column("Claim", str, _claim, description="The claim it is bound to."),
        Column("StorageClass", str, storage_class, description="StorageClass of the pv"),
        Column("VolumeAttributesClass", str, cells.at("spec.volumeAttributesClassName", cells.UNSET),
               description="VolumeAttributesClass of the pv"),
        Column("Reason", str, cells.at("status.reason"), description="Why it is in this state."),
        AGE,
        Column("VolumeMode", str, cells.at("spec.volumeMode", cells.UNSET), 1, "Files or a block device."),
    )  # fmt: skip
    has_status = True
    generation = False
    returns_deleted = True

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        fill.empty(spec, "persistentVolumeReclaimPolicy", "Retain")
        fill.absent(spec, "volumeMode", "Filesystem")
        for field, source in spec.items():
            if field not in NOT_SOURCES and isinstance(source, dict):
                defaults.remote(field, source)
        if "hostPath" in spec:
            fill.absent(spec["hostPath"], "type", "")
        fill.empty(fill.part(obj, "status"), "phase", "Pending")

    def prepare_create(self, new: Object, ctx: Context) -> None:
        new["status"] = {"phase": "Pending"}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        if not spec.get("accessModes"):
            err.required(_SPEC.at("accessModes"))
        for mode in spec.get("accessModes") or ():
            if mode not in MODES:
                err.not_supported(_SPEC.at("accessModes"), mode, MODES)
        capacity = spec.get("capacity") or {}
        if not capacity:
            err.required(_SPEC.at("capacity"))
        elif set(capacity) != {"storage"}:
            err.not_supported(_SPEC.at("capacity"), capacity, ("storage",))
        for resource, text in capacity.items():
            at = _SPEC.at("capacity").key(resource)
            if rules.amount(text, at, err).amount <= 0:
                err.invalid(at, text, "must be greater than zero")
        if not (policy := spec.get("persistentVolumeReclaimPolicy")) or policy not in RECLAIM:
            err.not_supported(_SPEC.at("persistentVolumeReclaimPolicy"), policy or "", RECLAIM)
        volumes.source({k: v for k, v in spec.items() if k not in NOT_SOURCES}, _SPEC, err)
        if name := spec.get("storageClassName"):
            err.extend(_SPEC.at("storageClassName"), names.dns1123_subdomain(name), name)
        rules.maybe_one_of(spec.get("volumeMode"), VOLUME_MODES, _SPEC.at("volumeMode"), err)
        if (required := dig(spec, "nodeAffinity", "required")) is not None:
            scheduling.node_selector(required, _SPEC.at("nodeAffinity", "required"), err)
        elif spec.get("local") is not None:
            err.required(_SPEC.at("nodeAffinity"), "Local volume requires node affinity")

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        spec, former = new.get("spec") or {}, old.get("spec") or {}
        if any(spec.get(f) != former.get(f) for f in (spec.keys() | former.keys()) - NOT_SOURCES):
            err.forbidden(_SPEC.at("persistentvolumesource"), "spec.persistentvolumesource is immutable after creation")
        rules.immutable(spec.get("volumeMode"), former.get("volumeMode"), _SPEC.at("volumeMode"), err)
