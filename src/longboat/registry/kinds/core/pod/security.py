"""Security contexts of pods and containers."""

from __future__ import annotations

import re

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types import internal
from longboat.registry.kinds import rules
from longboat.registry.kinds.core.pod import windows
from longboat.registry.kinds.core.pod.visit import of_all

PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
SYSCTL_SHOWN = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
HOST_NAMESPACES = {"hostNetwork": "hostNetwork", "hostPID": "HostPID", "hostIPC": "HostIPC"}  # upstream's spelling
CONTEXT, SECCOMP = f"{internal.CORE}SecurityContext", f"{internal.CORE}SeccompProfile"
LONGEST_PROFILE = 4095  # characters of a path

OF_HOST = {
    "hostNetwork": ("net.",),
    "hostIPC": ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."),
}  # sysctls of namespaces that such a pod shares with its node


def of_pod(spec: Object, path: Path, err: Errors) -> None:
    """securityContext of a pod."""
    found, at = spec.get("securityContext") or {}, path.at("securityContext")
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        rules.in_range(found.get(field), 0, rules.MAX_INT32, at.at(field), err)
    for i, group in enumerate(found.get("supplementalGroups") or ()):
        rules.in_range(group, 0, rules.MAX_INT32, at.at("supplementalGroups").index(i), err)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        err.invalid(at.at("shareProcessNamespace"), True, why)
    _sysctls(found.get("sysctls") or [], spec, at.at("sysctls"), err)
    _policy(found, "fsGroupChangePolicy", ("Always", "OnRootMismatch"), at, err)
    profile(found.get("seccompProfile"), "seccomp", at.at("seccompProfile"), err)
    windows.options(found.get("windowsOptions"), at.at("windowsOptions"), err)
    profile(found.get("appArmorProfile"), "AppArmor", at.at("appArmorProfile"), err)
    _policy(found, "supplementalGroupsPolicy", ("Merge", "Strict"), at, err)
    _policy(found, "seLinuxChangePolicy", ("MountOption", "Recursive"), at, err)


def _policy(found: Object, field: str, allowed: tuple[str, ...], path: Path, err: Errors) -> None:
    if (value := found.get(field)) is not None and value not in allowed:
        err.not_supported(path.at(field), value, allowed)


def host_users(spec: Object, path: Path, err: Errors) -> None:
    """Users of its own go with no other namespace of the host's, nor with devices."""
    if spec.get("hostUsers") is not False:
        return
    for field, shown in HOST_NAMESPACES.items():
        if spec.get(field):
            err.forbidden(path.at(shown), "when `hostUsers` is false")
    for at, container in of_all(spec, path):
        if container.get("volumeDevices"):
            err.forbidden(at.at("volumeDevices"), "when `hostUsers` is false")


def _sysctls(found: list[Object], spec: Object, path: Path, err: Errors) -> None:
    seen: set[str] = set()
    for i, sysctl in enumerate(found):
        at, name = path.index(i).at("name"), sysctl.get("name") or ""
        if not name:
            err.required(at)
        elif len(name) > 253 or not SYSCTL.fullmatch(name):
            err.invalid(at, name, f"must have at most 253 characters and match regex {SYSCTL_SHOWN}")
        elif name in seen:
            err.duplicate(at, name)
        seen.add(name)
        for field, prefixes in OF_HOST.items():
            if spec.get(field) and name.replace("/", ".").startswith(prefixes):
                err.invalid(at, name, f"may not be specified when '{field}' is true")


def profile(found: Object | None, what: str, path: Path, err: Errors) -> None:
    """A seccomp or AppArmor profile."""
    if found is None:
        return
    kind, local = found.get("type") or "", found.get("localhostProfile")
    if not kind:
        err.required(path.at("type"), f"type is required when {what[0].lower()}{what[1:]}Profile is set")
    elif kind not in PROFILES:
        err.not_supported(path.at("type"), kind, PROFILES)
    at = path.at("localhostProfile")
    if kind == "Localhost":
        _local_profile(local, what, at, err)
    elif local is not None and (what == "seccomp" or kind in PROFILES):
        shown = internal.whole(SECCOMP, found) if what == "seccomp" else local
        err.invalid(at, shown, f"can only be set when {what} type is Localhost")


def _local_profile(name: str | None, what: str, path: Path, err: Errors) -> None:
    if name is None:
        err.required(path, f"must be set when {what} type is Localhost")
    elif what == "seccomp":
        relative(name, path, err)
    else:
        if name != name.strip():
            err.invalid(path, name, "must not be padded with whitespace")
        elif not name:
            err.required(path, f"must be set when {what} type is Localhost")
        if len(name.encode()) > LONGEST_PROFILE:
            err.too_long(path, LONGEST_PROFILE)


def relative(value: str, path: Path, err: Errors) -> None:
    """A path beneath something, that stays beneath it."""
    if value.startswith("/"):
        err.invalid(path, value, "must be a relative path")
    no_backsteps(value, path, err)


def no_backsteps(value: str, path: Path, err: Errors) -> None:
    if ".." in value.split("/"):
        err.invalid(path, value, "must not contain '..'")


def of_container(found: Object | None, spec: Object, path: Path, err: Errors) -> None:
    if found is None:
        return
    for field in ("runAsUser", "runAsGroup"):
        rules.in_range(found.get(field), 0, rules.MAX_INT32, path.at(field), err)
    mount = found.get("procMount")
    if mount is not None:
        if mount not in ("Default", "Unmasked"):
            err.not_supported(path.at("procMount"), mount, ("Default", "Unmasked"))
        if mount == "Unmasked" and spec.get("hostUsers") is not False:
            err.invalid(path.at("procMount"), mount, "`hostUsers` must be false to use `Unmasked`")
    profile(found.get("seccompProfile"), "seccomp", path.at("seccompProfile"), err)
    if found.get("allowPrivilegeEscalation") is False:
        if found.get("privileged"):
            why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            err.invalid(path, internal.whole(CONTEXT, found), why)
        for capability in (found.get("capabilities") or {}).get("add") or ():
            if capability == "CAP_SYS_ADMIN":
                why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
                err.invalid(path, internal.whole(CONTEXT, found), why)
    windows.options(found.get("windowsOptions"), path.at("windowsOptions"), err)
    profile(found.get("appArmorProfile"), "AppArmor", path.at("appArmorProfile"), err)
