"""PersistentVolume: storage that claims are bound to."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, meta, timestamp
from longboat.machinery.table import AGE, Column
from longboat.machinery.types import internal
from longboat.registry.kinds import cells, fill, notes, rules
from longboat.registry.kinds.core import claim_status, volume_sources
from longboat.registry.kinds.core.persistent_volume_claim import VOLUME_MODES, access_modes, modes, phase, storage_class
from longboat.registry.kinds.core.pod import defaults, scheduling
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
SOURCE, AFFINITY = "io.k8s.api.core.v1.PersistentVolumeSource", "io.k8s.api.core.v1.VolumeNodeAffinity"
RECLAIM = ("Delete", "Recycle", "Retain")
NOT_INLINE = "may not be specified in the context of inline volumes"
RECYCLE = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."
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
    update_order = (*WHOLE_METADATA, OBJECT, *WHOLE_METADATA, OBJECT, CHANGE)
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

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {"phase": "Pending", "lastPhaseTransitionTime": timestamp(write.now)}

    def prepare_status(self, new: Object, old: Object, write: Write) -> None:
        """When its phase last changed (KEP-3762), unless the writer says so."""
        status, former = new.get("status") or {}, old.get("status") or {}
        moved = status.get("phase") != former.get("phase")
        given, before = status.get("lastPhaseTransitionTime"), former.get("lastPhaseTransitionTime")
        if moved and given in (None, before):
            status["lastPhaseTransitionTime"] = timestamp(write.now)
        elif not moved and given is None and before is not None:
            status["lastPhaseTransitionTime"] = before

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        validate_spec(spec, _SPEC, err)
        volume_sources.validate_portal(spec.get("iscsi"), meta(new).get("name") or "", _SPEC.at("iscsi"), err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return notes.first(_notes(new))

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        spec, former = new.get("spec") or {}, old.get("spec") or {}
        now, before = _source(spec), _source(former)
        if "controllerExpandSecretRef" not in before.get("csi", {}) and "csi" in now and "csi" in before:
            now = now | {"csi": now["csi"].copy()}
            now["csi"].pop("controllerExpandSecretRef", None)
        if not internal.same(SOURCE, now, before):
            shown = internal.difference(SOURCE, before, now)
            why = f"spec.persistentvolumesource is immutable after creation\n{shown}"
            err.forbidden(_SPEC.at("persistentvolumesource"), why)
        rules.immutable(spec.get("volumeMode"), former.get("volumeMode"), Path("volumeMode"), err)
        if former.get("nodeAffinity") is not None and not _same_place(spec.get("nodeAffinity"), former["nodeAffinity"]):
            why = f"{rules.IMMUTABLE}, except for updating from beta label to GA"
            err.invalid(Path("nodeAffinity"), internal.whole(AFFINITY, spec.get("nodeAffinity")), why)
        if former.get("volumeAttributesClassName") is not None and spec.get("volumeAttributesClassName") is None:
            err.forbidden(_SPEC.at("volumeAttributesClassName"), "update from non-nil value to nil is forbidden")


def _notes(volume: Object) -> Iterator[str]:
    """In upstream's order."""
    spec = volume.get("spec") or {}
    yield from notes.annotated(volume, notes.STORAGE_CLASS, notes.MOUNT_OPTIONS)
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield f"{_SPEC.at('persistentVolumeReclaimPolicy')}: {RECYCLE}"
    terms = _SPEC.at("nodeAffinity", "required", "nodeSelectorTerms")
    for i, term in enumerate(dig(spec, "nodeAffinity", "required", "nodeSelectorTerms", default=())):
        yield from notes.node_term(term, terms.index(i))
    yield from notes.volume(spec, _SPEC)


def _source(spec: Object) -> Object:
    return {field: value for field, value in spec.items() if field not in NOT_SOURCES and value is not None}


def validate_spec(spec: Object, path: Path, err: Errors, *, inline: bool = False) -> None:
    """`inline`: what a VolumeAttachment holds instead of a volume's name (KEP-625)."""
    if inline:
        if spec.get("claimRef") is not None:
            err.forbidden(path.at("claimRef"), NOT_INLINE)
        if spec.get("capacity"):
            err.forbidden(path.at("capacity"), NOT_INLINE)
        if spec.get("csi") is None:
            err.required(path.at("csi"), "has to be specified in the context of inline volumes")
    access_modes(spec.get("accessModes") or [], path.at("accessModes"), err)
    if not inline:
        _capacity(spec.get("capacity") or {}, path.at("capacity"), err)
    policy, at = spec.get("persistentVolumeReclaimPolicy"), path.at("persistentVolumeReclaimPolicy")
    if not inline:
        rules.maybe_one_of(policy, RECLAIM, at, err)
    elif policy and policy != "Retain":
        err.forbidden(at, "may only be Retain in the context of inline volumes")
    placed = False
    if inline and spec.get("nodeAffinity") is not None:
        err.forbidden(path.at("nodeAffinity"), NOT_INLINE)
    elif not inline:
        placed = _affinity(spec.get("nodeAffinity"), path.at("nodeAffinity"), err)
    volume_sources.validate(_source(spec), placed, path, err)
    if policy == "Recycle" and posixpath.normpath(dig(spec, "hostPath", "path", default=".")) == "/":
        err.forbidden(at, "may not be 'recycle' for a hostPath mount of '/'")
    _class(spec, path, err, inline=inline)
    mode, at = spec.get("volumeMode"), path.at("volumeMode")
    if not inline:
        rules.given_one_of(mode, VOLUME_MODES, at, err)
    elif mode not in (None, "Filesystem"):
        err.forbidden(at, "may not specify volumeMode other than Filesystem in the context of inline volumes")
    if (name := spec.get("volumeAttributesClassName")) is not None and not inline:
        at = path.at("volumeAttributesClassName")
        if not name:
            err.required(at, "an empty string is disallowed")
        else:
            err.extend(at, names.dns1123_subdomain(name), name)
        if spec.get("csi") is None:
            err.required(path.at("csi"), "has to be specified when using volumeAttributesClassName")


def _class(spec: Object, path: Path, err: Errors, *, inline: bool) -> None:
    name = spec.get("storageClassName")
    if name and inline:
        err.forbidden(path.at("storageClassName"), NOT_INLINE)
    elif name:
        err.extend(path.at("storageClassName"), names.dns1123_subdomain(name), name)


def _capacity(found: Object, path: Path, err: Errors) -> None:
    if not found:
        err.required(path)
    if set(found) != {"storage"}:
        err.not_supported(path, found or None, ("storage",))
    for resource, text in found.items():
        claim_status.amount(text, path.key(resource), err)
        if rules.amount(text, path.key(resource), Errors()).amount <= 0:
            err.invalid(path.key(resource), text, "must be greater than zero")


def _affinity(found: Object | None, path: Path, err: Errors) -> bool:
    """Whether it says where the volume is."""
    if found is None:
        return False
    if found.get("required") is None:
        err.required(path.at("required"), "must specify required node constraints")
    else:
        scheduling.node_selector(found["required"], path.at("required"), err)
    return True


UPGRADED = {
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}


def _same_place(new: Object | None, old: Object) -> bool:
    """Whether nothing changed but that labels got their present names."""
    return new is not None and internal.same(AFFINITY, new, _renamed(old, new))


def _renamed(old: Object, new: Object) -> Object:
    """The old one, with the keys of the new one where they may be. Upstream takes an empty key for any present name."""
    former, terms = (dig(one, "required", "nodeSelectorTerms", default=[]) for one in (old, new))
    if len(former) != len(terms):
        return old
    renamed = [_renamed_term(before, now) for before, now in zip(former, terms, strict=True)]
    return {**old, "required": {**old["required"], "nodeSelectorTerms": renamed}} if renamed else old


def _renamed_term(old: Object, new: Object) -> Object:
    fields = {field: (old.get(field) or [], new.get(field) or []) for field in ("matchExpressions", "matchFields")}
    return {**old, **{field: _renamed_keys(*both) for field, both in fields.items() if len(both[0]) == len(both[1])}}


def _renamed_keys(old: list[Object], new: list[Object]) -> list[Object]:
    pairs = ((before, before.get("key") or "", now.get("key") or "") for before, now in zip(old, new, strict=True))
    return [{**before, "key": key if UPGRADED.get(was, "") == key else was} for before, was, key in pairs]
