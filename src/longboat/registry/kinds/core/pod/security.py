"""Security contexts of pods and containers."""

from __future__ import annotations

import re

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules

SECCOMP = ("Localhost", "RuntimeDefault", "Unconfined")
SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
SYSCTL_SHOWN = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
HOST_NAMESPACES = {"hostNetwork": "hostNetwork", "hostPID": "HostPID", "hostIPC": "HostIPC"}  # upstream's spelling


def of_pod(spec: Object, path: Path, err: Errors) -> None:
    """securityContext of a pod, and the fields beside it that open the host."""
    found, at = spec.get("securityContext") or {}, path.at("securityContext")
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        rules.in_range(found.get(field), 0, rules.MAX_INT32, at.at(field), err)
    for i, group in enumerate(found.get("supplementalGroups") or ()):
        rules.in_range(group, 0, rules.MAX_INT32, at.at("supplementalGroups").index(i), err)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        err.invalid(path.at("shareProcessNamespace"), True, why)
    _sysctls(found.get("sysctls") or [], spec, at.at("sysctls"), err)
    rules.maybe_one_of(
        found.get("fsGroupChangePolicy"), ("Always", "OnRootMismatch"), at.at("fsGroupChangePolicy"), err
    )
    rules.maybe_one_of(
        found.get("supplementalGroupsPolicy"), ("Merge", "Strict"), at.at("supplementalGroupsPolicy"), err
    )
    profile(found.get("seccompProfile"), "seccomp", at.at("seccompProfile"), err)
    profile(found.get("appArmorProfile"), "AppArmor", at.at("appArmorProfile"), err)


def host_users(spec: Object, path: Path, err: Errors) -> None:
    """Users of its own go with no other namespace of the host's."""
    if spec.get("hostUsers") is False:
        for field, shown in HOST_NAMESPACES.items():
            if spec.get(field):
                err.forbidden(path.at(shown), "when `pod.Spec.HostUsers` is false")


def _sysctls(found: list[Object], spec: Object, path: Path, err: Errors) -> None:
    for i in rules.repeated(s.get("name") for s in found):
        err.duplicate(path.index(i).at("name"), found[i].get("name"))
    for i, sysctl in enumerate(found):
        at, name = path.index(i).at("name"), sysctl.get("name") or ""
        if not name:
            err.required(at)
        elif len(name) > 253 or not SYSCTL.fullmatch(name):
            err.invalid(at, name, f"must have at most 253 characters and match regex {SYSCTL_SHOWN}")
        elif spec.get("hostNetwork") and name.replace("/", ".").startswith("net."):
            err.invalid(at, name, "may not be specified when 'hostNetwork' is true")
        elif spec.get("hostIPC") and name.replace("/", ".").startswith(
            ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
        ):
            err.invalid(at, name, "may not be specified when 'hostIPC' is true")


def profile(found: Object | None, what: str, path: Path, err: Errors) -> None:
    """A seccomp or AppArmor profile."""
    if found is None:
        return
    kind, local = found.get("type") or "", found.get("localhostProfile")
    if kind == "Localhost":
        if not local:
            err.required(path.at("localhostProfile"), f"must be set when {what} type is Localhost")
        elif what == "seccomp":
            relative(local, path.at("localhostProfile"), err)
    elif local is not None:
        err.invalid(path.at("localhostProfile"), local, f"can only be set when {what} type is Localhost")
    if not kind:
        err.required(path.at("type"), "type is required when seccompProfile is set" if what == "seccomp" else "")
    elif kind not in SECCOMP:
        err.not_supported(path.at("type"), kind, SECCOMP)


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
