"""Volumes that lie on other machines."""

from __future__ import annotations

import re
from collections.abc import Callable

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules

Check = Callable[[Object, Path, Errors], None]

IQN = re.compile(r"iqn\.\d{4}-\d{2}\.[a-zA-Z0-9-.]+:[^,;*&$|\s]+$", re.ASCII)
EUI = re.compile(r"^eui.[a-zA-Z0-9]{16}$", re.ASCII)
NAA = re.compile(r"^naa.[a-zA-Z0-9]{32}$", re.ASCII)
SHAPES = {"iqn": IQN, "eui": EUI, "naa": NAA}
NO_INITIATOR = "must be valid format starting with iqn, eui, or naa"
REGISTRY = "must be a host:port pair or multiple pairs separated by commas"
CACHING, DISKS = ("None", "ReadOnly", "ReadWrite"), ("Dedicated", "Managed", "Shared")
MANAGED = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
BLOB = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def required(*fields: str) -> Check:
    def check(found: Object, path: Path, err: Errors) -> None:
        for field in fields:
            if not found.get(field):
                err.required(path.at(field))

    return check


def _nfs(found: Object, path: Path, err: Errors) -> None:
    required("server", "path")(found, path, err)
    if not (found.get("path") or "").startswith("/"):
        err.invalid(path.at("path"), found.get("path") or "", "must be an absolute path")


def _disk(field: str) -> Check:
    def check(found: Object, path: Path, err: Errors) -> None:
        required(field)(found, path, err)
        partition = found.get("partition") or 0
        if not 0 <= partition <= 255:
            err.invalid(path.at("partition"), partition, rules.between(1, 255))

    return check


def _iscsi(found: Object, path: Path, err: Errors) -> None:
    required("targetPortal")(found, path, err)
    iqn = found.get("iqn") or ""
    if not iqn:
        err.required(path.at("iqn"))
    elif iqn[:3] not in SHAPES:
        err.invalid(path.at("iqn"), iqn, NO_INITIATOR)
    elif not SHAPES[iqn[:3]].search(iqn):
        err.invalid(path.at("iqn"), iqn, "must be valid format")
    rules.in_range(found.get("lun"), 0, 255, path.at("lun"), err)
    if (found.get("chapAuthDiscovery") or found.get("chapAuthSession")) and found.get("secretRef") is None:
        err.required(path.at("secretRef"))
    if (initiator := found.get("initiatorName")) is not None:
        at = path.at("initiatorname")
        if initiator[:3] not in SHAPES:
            err.invalid(at, initiator, NO_INITIATOR)
        elif not SHAPES[initiator[:3]].search(initiator):
            err.invalid(at, initiator, "must be valid format")


def _fc(found: Object, path: Path, err: Errors) -> None:
    targets, wwids, lun = found.get("targetWWNs") or [], found.get("wwids") or [], found.get("lun")
    if not targets and not wwids:
        err.required(path.at("targetWWNs"), "must specify either targetWWNs or wwids, but not both")
    if targets and wwids:
        err.invalid(path.at("targetWWNs"), targets, "targetWWNs and wwids can not be specified simultaneously")
    if targets and lun is None:
        err.required(path.at("lun"), "lun is required if targetWWNs is specified")
    elif targets:
        rules.in_range(lun, 0, 255, path.at("lun"), err)


def flocker(found: Object, path: Path, err: Errors) -> None:
    name, uuid = found.get("datasetName") or "", found.get("datasetUUID") or ""
    if not name and not uuid:
        err.required(path, "one of datasetName and datasetUUID is required")
    if name and uuid:
        err.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in name:
        err.invalid(path.at("datasetName"), name, "must not contain '/'")


def quobyte(found: Object, path: Path, err: Errors) -> None:
    registry = found.get("registry") or ""
    if not registry:
        err.required(path.at("registry"), REGISTRY)
    elif len((found.get("tenant") or "").encode()) >= 65:
        err.required(path.at("tenant"), "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in registry.split(","):
            if not _is_host_and_port(pair):
                err.invalid(path.at("registry"), registry, REGISTRY)
    required("volume")(found, path, err)


def _is_host_and_port(pair: str) -> bool:
    """As Go splits them: a host that holds colons stands in brackets."""
    host, colon, _ = pair.rpartition(":")
    if host.startswith("["):
        return bool(colon) and host.endswith("]") and "[" not in host[1:] and "]" not in host[1:-1]
    return bool(colon) and not set(host) & set(":[]") and not set(pair) & set("[]")


def _cinder(found: Object, path: Path, err: Errors) -> None:
    required("volumeID")(found, path, err)
    if found.get("secretRef") is not None:
        required("name")(found["secretRef"], path.at("secretRef"), err)


def _flex(found: Object, path: Path, err: Errors) -> None:
    required("driver")(found, path, err)
    for key in sorted(found.get("options") or {}):
        domain = "." + (key.partition("/")[0] if "/" in key else key).lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            err.invalid(path.at("options").key(key), key, "kubernetes.io and k8s.io namespaces are reserved")


def _azure_disk(found: Object, path: Path, err: Errors) -> None:
    required("diskName", "diskURI")(found, path, err)
    kind, uri = found.get("kind"), found.get("diskURI") or ""
    for field, allowed in (("cachingMode", CACHING), ("kind", DISKS)):
        if found.get(field) is not None and found[field] not in allowed:
            err.not_supported(path.at(field), found[field], allowed)
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        err.not_supported(path.at("diskURI"), uri, (MANAGED,))
    if kind is not None and kind != "Managed" and not uri.startswith("https://"):
        err.not_supported(path.at("diskURI"), uri, (BLOB,))


def _storage_os(found: Object, path: Path, err: Errors) -> None:
    rules.named(found.get("volumeName") or "", path.at("volumeName"), err, names.dns1123_label)
    if namespace := found.get("volumeNamespace"):
        err.extend(path.at("volumeNamespace"), names.dns1123_label(namespace), namespace)
    if found.get("secretRef") is not None:
        required("name")(found["secretRef"], path.at("secretRef"), err)


CHECKS: dict[str, Check] = {
    "awsElasticBlockStore": _disk("volumeID"),
    "azureDisk": _azure_disk,
    "azureFile": required("secretName", "shareName"),
    "cephfs": required("monitors"),
    "cinder": _cinder,
    "fc": _fc,
    "flexVolume": _flex,
    "flocker": flocker,
    "gcePersistentDisk": _disk("pdName"),
    "glusterfs": required("endpoints", "path"),
    "iscsi": _iscsi,
    "nfs": _nfs,
    "photonPersistentDisk": required("pdID"),
    "portworxVolume": required("volumeID"),
    "quobyte": quobyte,
    "rbd": required("monitors", "image"),
    "scaleIO": required("gateway", "system", "volumeName"),
    "storageos": _storage_os,
    "vsphereVolume": required("volumePath"),
}
