"""PersistentVolume: storage that claims are bound to."""

from __future__ import annotations

import posixpath

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, timestamp
from longboat.machinery.table import AGE, Column
from longboat.machinery.types import internal
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.kinds.core.persistent_volume_claim import VOLUME_MODES, access_modes, modes, phase, storage_class
from longboat.registry.kinds.core.pod import defaults, scheduling, security, volumes
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
SOURCE, AFFINITY = "io.k8s.api.core.v1.PersistentVolumeSource", "io.k8s.api.core.v1.VolumeNodeAffinity"
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
        validate_spec(new.get("spec") or {}, _SPEC, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        spec, former = new.get("spec") or {}, old.get("spec") or {}
        now, before = _source(spec), _source(former)
        if "controllerExpandSecretRef" not in before.get("csi", {}) and "csi" in now and "csi" in before:
            now = {**now, "csi": {k: v for k, v in now["csi"].items() if k != "controllerExpandSecretRef"}}
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


def _source(spec: Object) -> Object:
    return {field: value for field, value in spec.items() if field not in NOT_SOURCES and value is not None}


def validate_spec(spec: Object, path: Path, err: Errors) -> None:
    access_modes(spec.get("accessModes") or [], path.at("accessModes"), err)
    _capacity(spec.get("capacity") or {}, path.at("capacity"), err)
    policy = spec.get("persistentVolumeReclaimPolicy")
    rules.maybe_one_of(policy, RECLAIM, path.at("persistentVolumeReclaimPolicy"), err)
    placed = _affinity(spec.get("nodeAffinity"), path.at("nodeAffinity"), err)
    volumes.source(_source(spec), path, err, CHECKS)
    if spec.get("local") is not None and not placed:
        err.required(path.at("nodeAffinity"), "Local volume requires node affinity")
    if policy == "Recycle" and posixpath.normpath(dig(spec, "hostPath", "path", default=".")) == "/":
        why = "may not be 'recycle' for a hostPath mount of '/'"
        err.forbidden(path.at("persistentVolumeReclaimPolicy"), why)
    if name := spec.get("storageClassName"):
        err.extend(path.at("storageClassName"), names.dns1123_subdomain(name), name)
    rules.maybe_one_of(spec.get("volumeMode"), VOLUME_MODES, path.at("volumeMode"), err)
    if (name := spec.get("volumeAttributesClassName")) is not None:
        at = path.at("volumeAttributesClassName")
        if not name:
            err.required(at, "an empty string is disallowed")
        else:
            err.extend(at, names.dns1123_subdomain(name), name)
        if spec.get("csi") is None:
            err.required(path.at("csi"), "has to be specified when using volumeAttributesClassName")


def _capacity(found: Object, path: Path, err: Errors) -> None:
    if not found:
        err.required(path)
    if set(found) != {"storage"}:
        err.not_supported(path, found, ("storage",))
    for resource, text in found.items():
        if rules.amount(text, path.key(resource), err).amount <= 0:
            err.invalid(path.key(resource), text, "must be greater than zero")


def _affinity(found: Object | None, path: Path, err: Errors) -> bool:
    """Whether it says where the volume is."""
    if found is None:
        return False
    if found.get("required") is None:
        err.required(path.at("required"), "must specify required node constraints")
        return False
    scheduling.node_selector(found["required"], path.at("required"), err)
    return True


def _csi(found: Object, path: Path, err: Errors) -> None:
    rules.driver_name(found.get("driver") or "", path.at("driver"), err)
    if not found.get("volumeHandle"):
        err.required(path.at("volumeHandle"))
    for purpose in ("controllerPublish", "controllerExpand", "nodePublish", "nodeStage", "nodeExpand"):
        if (ref := found.get(f"{purpose}SecretRef")) is not None:
            at = path.at(f"{purpose}SecretRef")
            rules.named(ref.get("name") or "", at.at("name"), err)
            rules.named(ref.get("namespace") or "", at.at("namespace"), err, names.dns1123_label)


def _local(found: Object, path: Path, err: Errors) -> None:
    if not found.get("path"):
        err.required(path.at("path"))
    else:
        security.no_backsteps(found["path"], path.at("path"), err)


CHECKS = {**volumes.CHECKS, "csi": _csi, "local": _local}

UPGRADED = {
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}


def _same_place(new: Object | None, old: Object) -> bool:
    """Whether nothing changed but that labels got their present names."""
    return new is not None and _renamed(new) == _renamed(old) and not _old_names(new) - _old_names(old)


def _renamed(affinity: Object) -> Object:
    terms = [
        {**term, "matchExpressions": [{**e, "key": UPGRADED.get(e["key"], e["key"])} for e in _each(term)]}
        for term in dig(affinity, "required", "nodeSelectorTerms", default=())
    ]
    return {**affinity, "required": {**(affinity.get("required") or {}), "nodeSelectorTerms": terms}}


def _old_names(affinity: Object) -> set[str]:
    terms = dig(affinity, "required", "nodeSelectorTerms", default=())
    return {e["key"] for term in terms for e in _each(term)} & UPGRADED.keys()


def _each(term: Object) -> list[Object]:
    return [{"key": "", **expression} for expression in term.get("matchExpressions") or ()]
