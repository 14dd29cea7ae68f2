"""What pods for Windows may have, and pods for Linux may not."""

from __future__ import annotations

import re

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds.core.pod.visit import of_all

NOT_WINDOWS, NOT_LINUX = "cannot be set for a windows pod", "windows options cannot be set for a linux pod"
LARGEST_SPEC_KIB = 64
LONGEST_DOMAIN, LONGEST_USER = 256, 104

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NET_BIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
DOMAIN = re.compile(
    r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
ODD_IN_USER = re.compile(r'["/\\:;|=,+*?<>@\[\]]')
ONLY_DOTS = re.compile(r"[. ]+")

# In upstream's order: fields of the spec and of its security context, and whether false is as good as nothing.
OF_POD = (
    ("securityContext", "appArmorProfile"), ("securityContext", "seLinuxOptions"), ("", "hostUsers"), ("", "hostPID"),
    ("", "hostIPC"), ("securityContext", "seccompProfile"), ("securityContext", "fsGroup"),
    ("securityContext", "fsGroupChangePolicy"), ("securityContext", "sysctls"), ("", "shareProcessNamespace"),
    ("securityContext", "runAsUser"), ("securityContext", "runAsGroup"), ("securityContext", "supplementalGroups"),
    ("securityContext", "supplementalGroupsPolicy"), ("securityContext", "seLinuxChangePolicy"),
)  # fmt: skip
NOTHING_IF_EMPTY = ("hostPID", "hostIPC", "sysctls")
OF_CONTAINER = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip


def options(found: Object | None, path: Path, err: Errors) -> None:
    """windowsOptions of a security context."""
    if found is None:
        return
    if (name := found.get("gmsaCredentialSpecName")) is not None:
        err.extend(path.at("gmsaCredentialSpecName"), names.dns1123_subdomain(name), name)
    if (text := found.get("gmsaCredentialSpec")) is not None:
        at = path.at("gmsaCredentialSpec")
        if not text:
            err.invalid(at, text, "gmsaCredentialSpec cannot be an empty string")
        elif len(text.encode()) > LARGEST_SPEC_KIB * 1024:
            err.invalid(at, text, f"gmsaCredentialSpec size must be under {LARGEST_SPEC_KIB} KiB")
    if (user := found.get("runAsUserName")) is not None:
        for why in _user_errors(user):
            err.invalid(path.at("runAsUserName"), user, why)


def _user_errors(text: str) -> list[str]:
    """Of a name with or without its domain, as Windows has them."""
    if not text:
        return ["runAsUserName cannot be an empty string"]
    if CONTROL.search(text):
        return ["runAsUserName cannot contain control characters"]
    if text.count("\\") > 1:
        return ["runAsUserName cannot contain more than one backslash"]
    domain, backslash, user = text.rpartition("\\")
    wrong = []
    if len(domain.encode()) >= LONGEST_DOMAIN:
        wrong.append(f"runAsUserName's Domain length must be under {LONGEST_DOMAIN} characters")
    if backslash and not (NET_BIOS.fullmatch(domain) or DOMAIN.fullmatch(domain)):
        wrong.append("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
    if not user:
        wrong.append("runAsUserName's User cannot be empty")
    elif len(user.encode()) > LONGEST_USER:
        wrong.append(f"runAsUserName's User length must not be longer than {LONGEST_USER} characters")
    if ONLY_DOTS.fullmatch(user):
        wrong.append("runAsUserName's User cannot contain only periods or spaces")
    if ODD_IN_USER.search(user):
        wrong.append("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]")
    return wrong


def _is_host_process(context: Object | None) -> bool | None:
    found = ((context or {}).get("windowsOptions") or {}).get("hostProcess")
    return found if isinstance(found, bool) else None


def host_process(spec: Object, path: Path, err: Errors) -> None:
    """All containers of a pod are processes of its host, or none."""
    whole, number, of_host = _is_host_process(spec.get("securityContext")), 0, 0
    for at, container in of_all(spec, path):
        own = _is_host_process(container.get("securityContext"))
        number += 1
        if whole is not None and own is not None and whole != own:
            shown = "true" if whole else "false"
            why = f"pod hostProcess value must be identical if both are specified, was {shown}"
            err.invalid(at.at("securityContext", "windowsOptions", "hostProcess"), own, why)
        of_host += bool(whole if own is None else own)
    if not of_host:
        return
    if of_host != number:
        why = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        err.invalid(path, "", why)
    if not spec.get("hostNetwork"):
        err.invalid(
            path.at("hostNetwork"), False, "hostNetwork must be true if pod contains any hostProcess containers"
        )


def not_of_linux(spec: Object, path: Path, err: Errors) -> None:
    if (spec.get("securityContext") or {}).get("windowsOptions") is not None:
        err.forbidden(path.at("securityContext", "windowsOptions"), NOT_LINUX)
    for at, container in of_all(spec, path):
        if (container.get("securityContext") or {}).get("windowsOptions") is not None:
            err.forbidden(at.at("securityContext", "windowsOptions"), NOT_LINUX)


def only_of_linux(spec: Object, path: Path, err: Errors) -> None:
    for owner, field in OF_POD:
        found = ((spec.get(owner) or {}) if owner else spec).get(field)
        if found if field in NOTHING_IF_EMPTY else found is not None:
            err.forbidden((path.at(owner) if owner else path).at(field), NOT_WINDOWS)
    for at, container in of_all(spec, path):
        context = container.get("securityContext") or {}
        for field in OF_CONTAINER:
            if context.get(field) is not None:
                err.forbidden(at.at("securityContext", field), NOT_WINDOWS)
