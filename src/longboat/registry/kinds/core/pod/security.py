"""Security contexts of pods and containers."""

from __future__ import annotations

import re

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules

PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
SYSCTL_SHOWN = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
HOST_NAMESPACES = {"hostNetwork": "hostNetwork", "hostPID": "HostPID", "hostIPC": "HostIPC"}  # upstream's spelling

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
    profile(found.get("appArmorProfile"), "AppArmor", at.at("appArmorProfile"), err)
    _policy(found, "supplementalGroupsPolicy", ("Merge", "Strict"), at, err)
    _policy(found, "seLinuxChangePolicy", ("MountOption", "Recursive"), at, err)


def _policy(found: Object, field: str, allowed: tuple[str, ...], path: Path, err: Errors) -> None:
    if (value := found.get(field)) is not None and value not in allowed:
        err.not_supported(path.at(field), value, allowed)


def host_users(spec: Object, path: Path, err: Errors) -> None:
    """Users of its own go with no other namespace of the host's."""
    if spec.get("hostUsers") is False:
        for field, shown in HOST_NAMESPACES.items():
            if spec.get(field):
                err.forbidden(path.at(shown), "when `pod.Spec.HostUsers` is false")


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
    if kind == "Localhost":
        if not local:
            err.required(path.at("localhostProfile"), f"must be set when {what} type is Localhost")
        elif what == "seccomp":
            relative(local, path.at("localhostProfile"), err)
        elif local != local.strip():
            err.invalid(path.at("localhostProfile"), local, "must not be padded with whitespace")
    elif local is not None:
        shown = found if what == "seccomp" else local
        err.invalid(path.at("localhostProfile"), shown, f"can only be set when {what} type is Localhost")


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
        rules.one_of(mount, ("Default", "Unmasked"), path.at("procMount"), err)
        if mount == "Unmasked" and spec.get("hostUsers") is not False:
            err.invalid(path.at("procMount"), mount, "`hostUsers` must be false to use `Unmasked`")
    profile(found.get("seccompProfile"), "seccomp", path.at("seccompProfile"), err)
    profile(found.get("appArmorProfile"), "AppArmor", path.at("appArmorProfile"), err)
    if found.get("allowPrivilegeEscalation") is False:
        if found.get("privileged"):
            err.invalid(path, found, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
        added = (found.get("capabilities") or {}).get("add") or ()
        if any(capability in ("CAP_SYS_ADMIN",) for capability in added):
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            err.invalid(path, found, why)
