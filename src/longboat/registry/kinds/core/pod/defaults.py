"""Defaults of pods and pod templates (upstream's apis/core/v1 defaults)."""

from __future__ import annotations

from longboat.machinery.objects import Object
from longboat.registry.kinds.core.pod import level
from longboat.registry.kinds.core.pod.images import pull_policy
from longboat.registry.kinds.fill import absent, each, empty, part

CONTAINERS = ("initContainers", "containers")
FILE_MODE = 0o644
TOKEN_SECONDS = 3600


def template(obj: Object) -> None:
    """The pod template of a workload: `obj` is the PodTemplateSpec."""
    part(obj, "metadata")
    spec(part(obj, "spec"))


def pod(obj: Object) -> None:
    """A pod of its own, which has more defaults than a template."""
    found = part(obj, "spec")
    spec(found)
    absent(found, "enableServiceLinks", True)
    for container in each(found, *CONTAINERS):
        _requests_from_limits(container["resources"])
    level.requests_from_limits(found)
    if found.get("hostNetwork"):
        for container in each(found, *CONTAINERS):
            for port in each(container, "ports"):
                empty(port, "hostPort", port.get("containerPort", 0))


def spec(found: Object) -> None:
    empty(found, "restartPolicy", "Always")
    empty(found, "dnsPolicy", "ClusterFirst")
    empty(found, "schedulerName", "default-scheduler")
    absent(found, "terminationGracePeriodSeconds", 30)
    part(found, "securityContext")
    _service_account(found)
    for container in each(found, *CONTAINERS, "ephemeralContainers"):
        _container(container)
    for volume in each(found, "volumes"):
        _volume(volume)


def _service_account(found: Object) -> None:
    """serviceAccount is the old name of serviceAccountName: both say the same, the new one wins."""
    name = found.get("serviceAccountName") or found.get("serviceAccount")
    if name:
        found["serviceAccountName"] = found["serviceAccount"] = name


def _container(container: Object) -> None:
    empty(container, "imagePullPolicy", pull_policy(container.get("image") or ""))
    empty(container, "terminationMessagePath", "/dev/termination-log")
    empty(container, "terminationMessagePolicy", "File")
    part(container, "resources")
    for port in each(container, "ports"):
        empty(port, "protocol", "TCP")
    for variable in each(container, "env"):
        source = variable.get("valueFrom") or {}
        if "fieldRef" in source:
            empty(source["fieldRef"], "apiVersion", "v1")
        if "fileKeyRef" in source:
            absent(source["fileKeyRef"], "optional", False)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (found := container.get(name)) is not None:
            probe(found)
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _action(hook)


def probe(found: Object) -> None:
    _action(found)
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        empty(found, field, value)


def _action(found: Object) -> None:
    if "httpGet" in found:
        empty(found["httpGet"], "path", "/")
        empty(found["httpGet"], "scheme", "HTTP")
    if "grpc" in found:
        absent(found["grpc"], "service", "")


def _requests_from_limits(resources: Object) -> None:
    """What is limited but not asked for is asked for as far as it is limited."""
    if limits := resources.get("limits"):
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _volume(volume: Object) -> None:
    sources = [field for field in volume if field != "name"]
    if not sources:
        volume["emptyDir"] = {}
    for field in sources:
        source = volume[field]
        match field:
            case "configMap" | "secret" | "projected" | "downwardAPI":
                absent(source, "defaultMode", FILE_MODE)
                for item in each(source, "items") if field == "downwardAPI" else ():
                    _downward(item)
                for projection in each(source, "sources"):
                    _projection(projection)
            case "hostPath":
                absent(source, "type", "")
            case "ephemeral":
                claim = source.get("volumeClaimTemplate") or {}
                if "spec" in claim:
                    absent(claim["spec"], "volumeMode", "Filesystem")
            case "image":
                empty(source, "pullPolicy", pull_policy(source.get("reference") or ""))
            case _:
                remote(field, source)


def _projection(projection: Object) -> None:
    if "serviceAccountToken" in projection:
        absent(projection["serviceAccountToken"], "expirationSeconds", TOKEN_SECONDS)
    for item in each(projection.get("downwardAPI") or {}, "items"):
        _downward(item)


def _downward(item: Object) -> None:
    if "fieldRef" in item:
        empty(item["fieldRef"], "apiVersion", "v1")


def remote(field: str, source: Object) -> None:
    """Volumes on other machines; PersistentVolumes share them."""
    match field:
        case "iscsi":
            empty(source, "iscsiInterface", "default")
        case "rbd":
            for name, value in (("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")):
                empty(source, name, value)
        case "azureDisk":
            for name, value in (("cachingMode", "ReadWrite"), ("kind", "Shared"), ("fsType", "ext4")):
                absent(source, name, value)
            absent(source, "readOnly", False)
        case "scaleIO":
            empty(source, "storageMode", "ThinProvisioned")
            empty(source, "fsType", "xfs")
