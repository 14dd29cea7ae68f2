"""Volumes of pods."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path, quoted
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules
from longboat.registry.kinds.core.pod import projections, remote_volumes, security
from longboat.registry.kinds.core.pod.projections import downward_file, items, mode
from longboat.registry.kinds.core.pod.remote_volumes import required

Check = Callable[[Object, Path, Errors], None]

HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
SHORTEST_TOKEN, LONGEST_TOKEN = projections.SHORTEST_TOKEN, projections.LONGEST_TOKEN
MORE = "may not specify more than 1 volume type"
# Where upstream's messages have another name for a source: as one too many, and when it is looked at itself.
CALLED_IF_MORE = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
CALLED = {"gcePersistentDisk": "persistentDisk"}
LONGEST_PORTAL = 64  # of an iSCSI volume with an initiator's name: that of the volume, ":" and the portal


def volumes(found: list[Object], path: Path, err: Errors, *, pod: str | None) -> dict[str, Object]:
    """The volumes by name, but for those in which something is wrong: nothing can be mounted of them. `pod` is the
    name of a pod, None for a template.
    """
    known: dict[str, Object] = {}
    made = {f"{pod}-{v.get('name') or ''}" for v in found if v.get("ephemeral") is not None} if pod is not None else ()
    for i, volume in enumerate(found):
        at, name, wrong = path.index(i), volume.get("name") or "", Errors()
        source(volume, at, wrong, CHECKS if pod is not None else IN_TEMPLATES, pod=pod or "")
        rules.named(name, at.at("name"), wrong, names.dns1123_label)
        if name in known:
            wrong.duplicate(at.at("name"), name)
        if wrong:
            err.merge(wrong)
        else:
            known[name] = volume
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName") or ""
        if volume.get("persistentVolumeClaim") is not None and claim in made:
            why = "must not reference a PVC that gets created for an ephemeral volume"
            err.invalid(at.at("persistentVolumeClaim", "claimName"), claim, why)
    return known


def source(volume: Object, path: Path, err: Errors, checks: Mapping[str, Check], *, pod: str = "") -> None:
    """Exactly one source. `checks` by field; `pod` is the name of the pod, if there is one."""
    given = sorted((field for field in volume if field != "name" and volume[field] is not None), key=_rank)
    name = volume.get("name") or ""
    for i, field in enumerate(given):
        if i:
            err.forbidden(path.at(CALLED_IF_MORE.get(field, field)), MORE)
        elif check := checks.get(field):
            check(volume[field], path.at(CALLED.get(field, field)), err)
        if field == "iscsi":
            _portal(volume[field], name, path, err)
        if field == "ephemeral" and not i and pod and name:
            for why in names.dns1123_subdomain(f"{pod}-{name}"):
                err.invalid(path.at("name"), name, f"PVC name {quoted(f'{pod}-{name}')}: {why}")
    if not given:
        err.required(path, "must specify a volume type")


def _rank(field: str) -> int:
    """Where upstream looks first. Of several sources, the later ones are too many."""
    return ORDER.index(field) if field in ORDER else len(ORDER)


def _portal(found: Object, name: str, path: Path, err: Errors) -> None:
    whole = f"{name}:{found.get('targetPortal') or ''}"
    if found.get("initiatorName") is not None and len(whole.encode()) > LONGEST_PORTAL:
        why = (
            f"Total length of <volume name>:<iscsi.targetPortal> must be under {LONGEST_PORTAL} characters if "
            "iscsi.initiatorName is specified."
        )
        err.invalid(path.at("name"), name, why)


def _empty_dir(found: Object, path: Path, err: Errors) -> None:
    limit = found.get("sizeLimit")
    if limit is not None and rules.amount(limit, path.at("sizeLimit"), err).amount < 0:
        err.forbidden(path.at("sizeLimit"), "SizeLimit field must be a valid resource quantity")


def _host_path(found: Object, path: Path, err: Errors) -> None:
    if not found.get("path"):
        err.required(path.at("path"))
        return
    security.no_backsteps(found["path"], path.at("path"), err)
    kind = found.get("type")
    if kind is not None and kind not in HOST_PATH_TYPES:
        err.not_supported(path.at("type"), kind, HOST_PATH_TYPES)


def _git_repo(found: Object, path: Path, err: Errors) -> None:
    required("repository")(found, path, err)
    security.relative(found.get("directory") or "", path.at("directory"), err)


def _config_map(found: Object, path: Path, err: Errors) -> None:
    if not found.get("name"):
        err.required(path.at("name"))
    mode(found.get("defaultMode"), path.at("defaultMode"), err)
    items(found.get("items") or [], path.at("items"), err)


def _secret(found: Object, path: Path, err: Errors) -> None:
    if not found.get("secretName"):
        err.required(path.at("secretName"))
    mode(found.get("defaultMode"), path.at("defaultMode"), err)
    items(found.get("items") or [], path.at("items"), err)


def _downward(found: Object, path: Path, err: Errors) -> None:
    mode(found.get("defaultMode"), path.at("defaultMode"), err)
    for item in found.get("items") or ():
        downward_file(item, path, err)  # upstream does not say which


def _csi(found: Object, path: Path, err: Errors) -> None:
    rules.driver_name(found.get("driver") or "", path.at("driver"), err)
    if (ref := found.get("nodePublishSecretRef")) is not None:
        if name := ref.get("name"):
            err.extend(path.at("name"), names.dns1123_subdomain(name), name)
        else:
            err.required(path.at("nodePublishSecretRef", "name"))


def _ephemeral(found: Object, path: Path, err: Errors) -> None:
    from longboat.registry.kinds.core.persistent_volume_claim import validate_spec

    claim, at = found.get("volumeClaimTemplate"), path.at("volumeClaimTemplate")
    if claim is None:
        err.required(at)
        return
    metadata = claim.get("metadata") or {}
    rules.annotation_keys(metadata.get("annotations"), at.at("metadata", "annotations"), err)
    rules.labels(metadata.get("labels"), at.at("metadata", "labels"), err)
    for field, called in OTHER_METADATA.items():
        if metadata.get(field):
            err.forbidden(at.at("metadata", called), "cannot be set")
    validate_spec(claim.get("spec") or {}, at.at("spec"), err)


def _image(found: Object, path: Path, err: Errors) -> None:
    required("reference")(found, path, err)
    _image_later(found, path, err)


def _image_later(found: Object, path: Path, err: Errors) -> None:
    """Of a template: whoever makes its pods may name the image."""
    rules.one_of(found.get("pullPolicy"), ("Always", "IfNotPresent", "Never"), path.at("pullPolicy"), err)


# What a template's metadata may not have, in the order of the fields, and as upstream calls it.
OTHER_METADATA = {
    "name": "name", "generateName": "generateName", "namespace": "namespace", "selfLink": "selfLink", "uid": "uID",
    "resourceVersion": "resourceVersion", "generation": "generation", "creationTimestamp": "creationTimestamp",
    "deletionTimestamp": "deletionTimestamp", "deletionGracePeriodSeconds": "deletionGracePeriodSeconds",
    "ownerReferences": "ownerReferences", "finalizers": "finalizers", "managedFields": "managedFields",
}  # fmt: skip

CHECKS: dict[str, Check] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "configMap": _config_map,
    "secret": _secret,
    "downwardAPI": _downward,
    "projected": projections.volume,
    "persistentVolumeClaim": required("claimName"),
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
    "gitRepo": _git_repo,
    **remote_volumes.CHECKS,
}
IN_TEMPLATES = {**CHECKS, "image": _image_later}

ORDER = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi",
    "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc",
    "flexVolume", "configMap", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk",
    "storageos", "projected", "scaleIO", "csi", "ephemeral", "image",
)  # fmt: skip
