"""Volumes of pods."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules
from longboat.registry.kinds.core.pod import env, security

Check = Callable[[Object, Path, Errors], None]

MODE = "must be a number between 0 and 0777 (octal), both inclusive"
HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
SHORTEST_TOKEN, LONGEST_TOKEN = 600, 1 << 32


def volumes(found: list[Object], path: Path, err: Errors, *, of_pod: bool) -> dict[str, Object]:
    """The volumes by name, of a pod or of a template."""
    known: dict[str, Object] = {}
    checks = CHECKS if of_pod else TEMPLATE_CHECKS
    for i, volume in enumerate(found):
        at, name = path.index(i), volume.get("name") or ""
        source(volume, at, err, checks)
        if not name:
            err.required(at.at("name"))
        else:
            err.extend(at.at("name"), names.dns1123_label(name), name)
        if name in known:
            err.duplicate(at.at("name"), name)
        known[name] = volume
    return known


def source(volume: Object, path: Path, err: Errors, checks: Mapping[str, Check]) -> None:
    """Exactly one source. `checks` by field."""
    given = sorted((field for field in volume if field != "name" and volume[field] is not None), key=_rank)
    if not given:
        err.required(path, "must specify a volume type")
    for field in given[1:]:
        err.forbidden(path.at(field), "may not specify more than 1 volume type")
    for field in given[:1]:
        if check := checks.get(field):
            check(volume[field], path.at(field), err)


def _rank(field: str) -> int:
    """Where upstream looks first. Of several sources, the later ones are too many."""
    return ORDER.index(field) if field in ORDER else len(ORDER)


def mode(value: int | None, path: Path, err: Errors) -> None:
    if value is not None and not 0 <= value <= 0o777:
        err.invalid(path, value, MODE)


def _required(*fields: str) -> Check:
    def check(found: Object, path: Path, err: Errors) -> None:
        for field in fields:
            if not found.get(field):
                err.required(path.at(field))

    return check


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


def _config_map(found: Object, path: Path, err: Errors) -> None:
    if not found.get("name"):
        err.required(path.at("name"))
    mode(found.get("defaultMode"), path.at("defaultMode"), err)
    _items(found.get("items") or [], path.at("items"), err)


def _secret(found: Object, path: Path, err: Errors) -> None:
    if not found.get("secretName"):
        err.required(path.at("secretName"))
    mode(found.get("defaultMode"), path.at("defaultMode"), err)
    _items(found.get("items") or [], path.at("items"), err)


def _items(found: list[Object], path: Path, err: Errors) -> None:
    for i, item in enumerate(found):
        at = path.index(i)
        if not item.get("key"):
            err.required(at.at("key"))
        if not item.get("path"):
            err.required(at.at("path"))
        _item_path(item.get("path") or "", at.at("path"), err)
        mode(item.get("mode"), at.at("mode"), err)


def _item_path(value: str, path: Path, err: Errors) -> None:
    security.relative(value, path, err)
    if value.startswith("..") and not value.startswith("../") and value != "..":
        err.invalid(path, value, "must not start with '..'")


def _downward(found: Object, path: Path, err: Errors) -> None:
    mode(found.get("defaultMode"), path.at("defaultMode"), err)
    for i, item in enumerate(found.get("items") or ()):
        _downward_file(item, path.at("items").index(i), err)


def _downward_file(item: Object, path: Path, err: Errors) -> None:
    if not item.get("path"):
        err.required(path.at("path"))
    _item_path(item.get("path") or "", path.at("path"), err)
    if item.get("fieldRef") is not None:
        env.field(item["fieldRef"], env.IN_VOLUMES, path.at("fieldRef"), err)
        if item.get("resourceFieldRef") is not None:
            err.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif item.get("resourceFieldRef") is not None:
        env.resource_field(item["resourceFieldRef"], path.at("resourceFieldRef"), err, of_volume=True)
    else:
        err.required(path.at("fieldRef"), "one of fieldRef and resourceFieldRef is required")
    mode(item.get("mode"), path.at("mode"), err)


def _projected(found: Object, path: Path, err: Errors) -> None:
    mode(found.get("defaultMode"), path.at("defaultMode"), err)
    paths: set[str] = set()
    for i, projection in enumerate(found.get("sources") or ()):
        at = path.at("sources").index(i)
        given = [kind for kind in projection if projection[kind] is not None]
        for kind in given[1:]:
            err.forbidden(at.at(kind), "may not specify more than 1 volume type")
        for kind in given[:1]:
            for file in _projection(kind, projection[kind], at.at(kind), err):
                if file and file in paths:
                    err.invalid(path, file, "conflicting duplicate paths")
                paths.add(file)
        if not given:
            err.required(at, "must specify a projection")


def _projection(kind: str, found: Object, path: Path, err: Errors) -> list[str]:
    """The paths of the files it makes, as far as they are given."""
    items = found.get("items") or []
    match kind:
        case "configMap" | "secret":
            if not found.get("name"):
                err.required(path.at("name"))
            _items(items, path.at("items"), err)
        case "downwardAPI":
            _downward(found, path, err)
        case "serviceAccountToken":
            _token(found, path, err)
            return [found.get("path") or ""]
        case "clusterTrustBundle":
            if bool(found.get("name")) == bool(found.get("signerName")):
                err.required(path, "either name or signerName must be specified")
            _item_path(found.get("path") or "", path.at("path"), err)
            return [found.get("path") or ""]
    return [item.get("path") or "" for item in items]


def _token(found: Object, path: Path, err: Errors) -> None:
    seconds = found.get("expirationSeconds") or 0
    if seconds < SHORTEST_TOKEN:
        err.invalid(path.at("expirationSeconds"), seconds, "may not specify a duration less than 10 minutes")
    if seconds > LONGEST_TOKEN:
        err.invalid(path.at("expirationSeconds"), seconds, "may not specify a duration larger than 2^32 seconds")
    if not found.get("path"):
        err.required(path.at("path"))
    else:
        _item_path(found["path"], path.at("path"), err)


def _nfs(found: Object, path: Path, err: Errors) -> None:
    _required("server", "path")(found, path, err)
    if not (found.get("path") or "").startswith("/"):
        err.invalid(path.at("path"), found.get("path") or "", "must be an absolute path")


def _csi(found: Object, path: Path, err: Errors) -> None:
    rules.driver_name(found.get("driver") or "", path.at("driver"), err)
    if (ref := found.get("nodePublishSecretRef")) is not None:
        if name := ref.get("name"):
            err.extend(path.at("name"), names.dns1123_subdomain(name), name)
        else:
            err.required(path.at("nodePublishSecretRef", "name"))


def _ephemeral(found: Object, path: Path, err: Errors) -> None:
    from longboat.registry.kinds.core.persistent_volume_claim import validate_spec

    claim = found.get("volumeClaimTemplate")
    if claim is None:
        err.required(path.at("volumeClaimTemplate"))
        return
    validate_spec(claim.get("spec") or {}, path.at("volumeClaimTemplate", "spec"), err)


def _image(found: Object, path: Path, err: Errors) -> None:
    if not found.get("reference"):
        err.required(path.at("reference"))
    _image_of_template(found, path, err)


def _image_of_template(found: Object, path: Path, err: Errors) -> None:
    """What it is may be filled in when pods are made of it."""
    rules.maybe_one_of(found.get("pullPolicy"), ("Always", "IfNotPresent", "Never"), path.at("pullPolicy"), err)


CHECKS: dict[str, Check] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "configMap": _config_map,
    "secret": _secret,
    "downwardAPI": _downward,
    "projected": _projected,
    "persistentVolumeClaim": _required("claimName"),
    "nfs": _nfs,
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
    "gitRepo": _required("repository"),
    "iscsi": _required("targetPortal", "iqn"),
    "glusterfs": _required("endpoints", "path"),
    "rbd": _required("monitors", "image"),
    "cephfs": _required("monitors"),
    "gcePersistentDisk": _required("pdName"),
    "awsElasticBlockStore": _required("volumeID"),
    "cinder": _required("volumeID"),
    "azureFile": _required("secretName", "shareName"),
    "azureDisk": _required("diskName", "diskURI"),
    "vsphereVolume": _required("volumePath"),
    "quobyte": _required("registry", "volume"),
    "flexVolume": _required("driver"),
    "portworxVolume": _required("volumeID"),
    "scaleIO": _required("gateway", "system", "volumeName"),
}

TEMPLATE_CHECKS = {**CHECKS, "image": _image_of_template}

ORDER = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi",
    "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc",
    "flexVolume", "configMap", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk",
    "storageos", "projected", "scaleIO", "csi", "ephemeral", "image",
)  # fmt: skip
