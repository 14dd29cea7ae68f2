"""Where the data of PersistentVolumes is. Pods name most sources alike, but Secrets of their own namespace alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import rules
from longboat.registry.kinds.core.pod import security, volumes
from longboat.registry.kinds.core.pod.remote_volumes import Check, flocker, quobyte, required

MANY = "may not specify more than 1 volume type"
RESERVED = "kubernetes.io and k8s.io namespaces are reserved"
CACHING, DISK_KINDS = ("None", "ReadOnly", "ReadWrite"), ("Dedicated", "Managed", "Shared")
MANAGED_DISK = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
BLOB_DISK = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
MOST_LUNS = 255
LONGEST_INTERFACE = 64
_ISCSI_NAMES = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.[A-Za-z0-9.-]+:[^,;*&$|\s]+\Z", re.ASCII),
    "eui": re.compile(r"eui.[A-Za-z0-9]{16}\Z"),
    "naa": re.compile(r"naa.[A-Za-z0-9]{32}\Z"),
}
SHOWN = {"gcePersistentDisk": "persistentDisk"}  # where upstream looks for what is wrong with it
SHOWN_TWICE = {"cephfs": "cephFS"}  # … and with there being two


def validate(sources: Object, placed: bool, path: Path, err: Errors) -> None:
    """Exactly one source. `placed`: the volume says which nodes reach it."""
    given = [field for field in CHECKS if sources.get(field) is not None]
    for i, field in enumerate(given):
        if i and field != "flexVolume":  # which upstream looks at, even so
            err.forbidden(path.at(SHOWN_TWICE.get(field, field)), MANY)
            continue
        CHECKS[field](sources[field], path.at(SHOWN.get(field, field)), err)
        if field == "local" and not placed:
            err.required(path.at("nodeAffinity"), "Local volume requires node affinity")
    if not given:
        err.required(path, "must specify a volume type")


def both(*checks: Check) -> Check:
    def check(found: Object, path: Path, err: Errors) -> None:
        for each in checks:
            each(found, path, err)

    return check


def _secret(found: Object, path: Path, err: Errors) -> None:
    """A Secret that is named whole, if one is."""
    if found.get("secretRef") is not None:
        required("name", "namespace")(found["secretRef"], path.at("secretRef"), err)


def _disk(field: str) -> Check:
    def check(found: Object, path: Path, err: Errors) -> None:
        if not found.get(field):
            err.required(path.at(field))
        partition = found.get("partition") or 0
        if not 0 <= partition <= MOST_LUNS:
            err.invalid(path.at("partition"), partition, rules.between(1, MOST_LUNS))  # though 0 is taken

    return check


def _glusterfs(found: Object, path: Path, err: Errors) -> None:
    required("endpoints", "path")(found, path, err)
    namespace = found.get("endpointsNamespace")
    if namespace is not None and not namespace:
        wrong = "if the endpointnamespace is set, it must be a valid namespace name"
        err.invalid(path.at("endpointsNamespace"), namespace, wrong)
    elif namespace is not None:
        err.extend(path.at("endpointsNamespace"), names.dns1123_label(namespace), namespace)


def _iscsi(found: Object, path: Path, err: Errors) -> None:
    required("targetPortal")(found, path, err)
    if not found.get("iqn"):
        err.required(path.at("iqn"))
    elif not _iscsi_name(found["iqn"]):
        err.invalid(path.at("iqn"), found["iqn"], "must be valid format")
    lun = found.get("lun") or 0
    if not 0 <= lun <= MOST_LUNS:
        err.invalid(path.at("lun"), lun, rules.between(0, MOST_LUNS))
    secret, name = found.get("secretRef"), found.get("initiatorName")
    if (found.get("chapAuthDiscovery") or found.get("chapAuthSession")) and secret is None:
        err.required(path.at("secretRef"))
    if secret is not None:
        required("name")(secret, path.at("secretRef"), err)
    if name is not None and not _iscsi_name(name):
        err.invalid(path.at("initiatorname"), name, "must be valid format")


def validate_portal(found: Object | None, volume: str, path: Path, err: Errors) -> None:
    """An interface of its own is named by the volume and its portal."""
    portal = dig(found, "targetPortal", default="")
    if dig(found, "initiatorName") is not None and len(f"{volume}:{portal}".encode()) > LONGEST_INTERFACE:
        why = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName"
        err.invalid(path.at("targetportal"), portal, f"{why} is specified.")


def _iscsi_name(name: str) -> bool:
    """A name of a target or an initiator (RFC 3720, 3.2.6)."""
    form = _ISCSI_NAMES.get(name[:3])
    return form is not None and form.match(name) is not None


def _fibre_channel(found: Object, path: Path, err: Errors) -> None:
    targets, ids = found.get("targetWWNs") or [], found.get("wwids") or []
    if not targets and not ids:
        err.required(path.at("targetWWNs"), "must specify either targetWWNs or wwids, but not both")
    if targets and ids:
        err.invalid(path.at("targetWWNs"), targets, "targetWWNs and wwids can not be specified simultaneously")
    lun = found.get("lun")
    if targets and lun is None:
        err.required(path.at("lun"), "lun is required if targetWWNs is specified")
    elif targets and not 0 <= (lun or 0) <= MOST_LUNS:
        err.invalid(path.at("lun"), lun, rules.between(0, MOST_LUNS))


def _flex(found: Object, path: Path, err: Errors) -> None:
    required("driver")(found, path, err)
    for key in found.get("options") or {}:
        group = f".{key.partition('/')[0].lower()}"
        if group.endswith((".kubernetes.io", ".k8s.io")):
            err.invalid(path.at("options").key(key), key, RESERVED)


def _azure_file(found: Object, path: Path, err: Errors) -> None:
    required("secretName", "shareName")(found, path, err)
    if found.get("secretNamespace") == "":
        err.required(path.at("secretNamespace"))


def _azure_disk(found: Object, path: Path, err: Errors) -> None:
    required("diskName", "diskURI")(found, path, err)
    rules.given_one_of(found.get("cachingMode"), CACHING, path.at("cachingMode"), err)
    kind, uri = found.get("kind"), found.get("diskURI") or ""
    rules.given_one_of(kind, DISK_KINDS, path.at("kind"), err)
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        err.not_supported(path.at("diskURI"), uri, (MANAGED_DISK,))
    elif kind not in (None, "Managed") and not uri.startswith("https://"):
        err.not_supported(path.at("diskURI"), uri, (BLOB_DISK,))


def _local(found: Object, path: Path, err: Errors) -> None:
    if not found.get("path"):
        err.required(path.at("path"))
    else:
        security.no_backsteps(found["path"], path.at("path"), err)


def _storage_os(found: Object, path: Path, err: Errors) -> None:
    rules.named(found.get("volumeName") or "", path.at("volumeName"), err, names.dns1123_label)
    if namespace := found.get("volumeNamespace"):
        err.extend(path.at("volumeNamespace"), names.dns1123_label(namespace), namespace)
    _secret(found, path, err)


def _csi(found: Object, path: Path, err: Errors) -> None:
    rules.driver_name(found.get("driver") or "", path.at("driver"), err)
    if not found.get("volumeHandle"):
        err.required(path.at("volumeHandle"))
    for purpose in ("controllerPublish", "controllerExpand", "nodePublish", "nodeExpand"):  # not nodeStage
        if (ref := found.get(f"{purpose}SecretRef")) is not None:
            at = path.at(f"{purpose}SecretRef")
            rules.named(ref.get("name") or "", at.at("name"), err)
            rules.named(ref.get("namespace") or "", at.at("namespace"), err, names.dns1123_label)


# In the order in which upstream looks. Of several sources, the later ones are too many.
CHECKS: Mapping[str, Check] = {
    "hostPath": volumes.CHECKS["hostPath"],
    "gcePersistentDisk": _disk("pdName"),
    "awsElasticBlockStore": _disk("volumeID"),
    "glusterfs": _glusterfs,
    "flocker": flocker,
    "nfs": volumes.CHECKS["nfs"],
    "rbd": required("monitors", "image"),
    "quobyte": quobyte,
    "cephfs": required("monitors"),
    "iscsi": _iscsi,
    "cinder": both(required("volumeID"), _secret),
    "fc": _fibre_channel,
    "flexVolume": _flex,
    "azureFile": _azure_file,
    "vsphereVolume": required("volumePath"),
    "photonPersistentDisk": required("pdID"),
    "portworxVolume": required("volumeID"),
    "azureDisk": _azure_disk,
    "scaleIO": required("gateway", "system", "volumeName"),
    "local": _local,
    "storageos": _storage_os,
    "csi": _csi,
}
