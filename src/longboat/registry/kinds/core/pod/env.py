"""Environment variables, and the fields of a pod that variables and files may show."""

from __future__ import annotations

from collections.abc import Collection

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules
from longboat.registry.kinds.core.pod import security

SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
IN_ENV = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
IN_VOLUMES = ("metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations", "metadata.uid")
KNOWN = frozenset((*IN_ENV, *IN_VOLUMES, "spec.host", "spec.restartPolicy", "spec.schedulerName", "status.phase"))
OLD_NAMES = {"spec.host": "spec.nodeName"}
RESOURCES = tuple(
    f"{part}.{resource}" for part in ("limits", "requests") for resource in ("cpu", "ephemeral-storage", "memory")
)
MEMORY_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
CPU_DIVISORS = ("1m", "1")

HUGE_PAGES = ("requests.hugepages-", "limits.hugepages-")
DIVIDED = {
    f"{part}.{resource}": called
    for part in ("limits", "requests")
    for resource, called in (
        ("cpu", "cpu"), ("memory", "memory"), ("ephemeral-storage", "local ephemeral storage"),
    )
}  # fmt: skip

SUBSCRIPTED = ("metadata.annotations", "metadata.labels")


def variables(found: list[Object], path: Path, err: Errors) -> None:
    for i, variable in enumerate(found):
        at = path.index(i)
        name = variable.get("name") or ""
        if not name:
            err.required(at.at("name"))
        else:
            err.extend(at.at("name"), names.env_name(name), name)
        if variable.get("valueFrom") is not None:
            _source(variable, at.at("valueFrom"), err)


def _source(variable: Object, path: Path, err: Errors) -> None:
    source = variable["valueFrom"]
    given = [kind for kind in SOURCES if source.get(kind) is not None]
    for kind in given:
        at, ref = path.at(kind), source[kind]
        if kind == "fieldRef":
            field(ref, IN_ENV, at, err)
        elif kind == "resourceFieldRef":
            resource_field(ref, at, err, of_volume=False)
        elif kind == "fileKeyRef":
            _file_key(ref, at, err)
        else:
            _key(ref, at, err)
    if not given:
        listed = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        err.invalid(path, "", f"must specify one of: {listed}")
    elif variable.get("value"):
        err.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        err.invalid(path, "", "may not have more than one field specified at a time")


def _key(ref: Object, path: Path, err: Errors) -> None:
    err.extend(path.at("name"), names.dns1123_subdomain(ref.get("name") or ""), ref.get("name") or "")
    rules.named(ref.get("key") or "", path.at("key"), err, names.config_key)


def _file_key(ref: Object, path: Path, err: Errors) -> None:
    rules.named(ref.get("key") or "", path.at("key"), err, names.env_name)
    rules.named(ref.get("volumeName") or "", path.at("volumeName"), err, names.dns1123_label)
    if not ref.get("path"):
        err.required(path.at("path"))
    else:
        security.no_backsteps(ref["path"], path.at("path"), err)


def files(spec: Object, path: Path, err: Errors) -> None:
    """Files of variables are in volumes that the pod makes for itself (KEP-3721)."""
    volumes = {volume.get("name") or "": volume for volume in spec.get("volumes") or ()}
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for i, container in enumerate(spec.get(field) or ()):
            for j, variable in enumerate(container.get("env") or ()):
                ref = (variable.get("valueFrom") or {}).get("fileKeyRef")
                if ref is None:
                    continue
                name = ref.get("volumeName") or ""
                at = path.at(field).index(i).at("env").index(j).at("valueFrom", "fileKeyRef", "volumeName")
                if name not in volumes:
                    err.not_found(at, name)
                elif volumes[name].get("emptyDir") is None:
                    err.invalid(at, name, "referenced volume must be of type emptyDir")


def field(ref: Object, allowed: Collection[str], path: Path, err: Errors) -> None:
    """An ObjectFieldSelector."""
    shown = ref.get("fieldPath") or ""
    if not ref.get("apiVersion"):
        err.required(path.at("apiVersion"))
        return
    if not shown:
        err.required(path.at("fieldPath"))
        return
    at = path.at("fieldPath")
    if ref["apiVersion"] != "v1":
        err.invalid(at, shown, f"error converting fieldPath: unsupported pod version: {ref['apiVersion']}")
    elif subscript := _subscript(shown):
        of, key = subscript
        if of not in SUBSCRIPTED:
            err.invalid(at, shown, f"error converting fieldPath: field label does not support subscript: {shown}")
            return
        checked = key.lower() if of == "metadata.annotations" else key
        err.extend(path, names.qualified_name(checked), checked)
    elif shown not in KNOWN:
        err.invalid(at, shown, f"error converting fieldPath: field label not supported: {shown}")
    elif (found := OLD_NAMES.get(shown, shown)) not in allowed:
        err.not_supported(at, found, allowed)


def _subscript(text: str) -> tuple[str, str] | None:
    """The field and the key of `metadata.labels['app']`."""
    of, opened, key = text.removesuffix("']").partition("['")
    return (of, key) if of and opened and text.endswith("']") else None


def resource_field(ref: Object, path: Path, err: Errors, *, of_volume: bool) -> None:
    """A ResourceFieldSelector."""
    resource = ref.get("resource") or ""
    if of_volume and not ref.get("containerName"):
        err.required(path.at("containerName"))
    elif not resource:
        err.required(path.at("resource"))
    elif resource not in RESOURCES and not resource.startswith(HUGE_PAGES):
        err.not_supported(path.at("resource"), resource, RESOURCES)
    _divisor(resource, ref.get("divisor"), path.at("divisor"), err)


def _divisor(resource: str, text: str | None, path: Path, err: Errors) -> None:
    """Of resources that are known; others are refused for themselves."""
    kind = DIVIDED.get(resource) or ("hugepages" if resource.startswith(HUGE_PAGES) else "")
    if not text or not kind:
        return
    divisor = rules.amount(text, path, Errors())
    allowed, shown = (CPU_DIVISORS, "1m and 1") if kind == "cpu" else (MEMORY_DIVISORS, ", ".join(MEMORY_DIVISORS))
    if divisor and str(divisor) not in allowed:
        err.invalid(path, resource, f"only divisor's values {shown} are supported with the {kind} resource")


def env_from(found: list[Object], path: Path, err: Errors) -> None:
    for i, source in enumerate(found):
        at = path.index(i)
        if prefix := source.get("prefix"):
            err.extend(at.at("prefix"), names.env_name(prefix), prefix)
        given = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
        for kind in given:
            name = source[kind].get("name") or ""
            rules.named(name, at.at(kind, "name"), err)
        if not given:
            err.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            err.invalid(path, "", "may not have more than one field specified at a time")
