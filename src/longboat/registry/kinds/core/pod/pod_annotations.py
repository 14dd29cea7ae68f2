"""Annotations of pods that mean something: what stood there before it had a field."""

from __future__ import annotations

import re

from longboat.machinery.fieldpath import Errors, Path, quoted
from longboat.machinery.objects import Object
from longboat.registry.kinds.core import serialized
from longboat.registry.kinds.core.pod import scheduling, security
from longboat.registry.kinds.core.pod.visit import of_all

MIRROR = "kubernetes.io/config.mirror"
TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
SECCOMP_POD, SECCOMP = "seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
LOCALHOST = "localhost/"
SECCOMP_PROFILES = ("runtime/default", "docker/default", "unconfined")
APP_ARMOR_PROFILES = ("", "runtime/default", "unconfined")

_COST = re.compile(r"-?(0|[1-9]\d*)|\+?[1-9]\d*", re.ASCII)


def check(found: Object, spec: Object, path: Path, err: Errors, *, was: Object | None = None) -> None:
    """What a pod's or template's annotations may say. `was`: those that they replace; a cost that was none may stay."""
    if MIRROR in found and not spec.get("nodeName"):
        err.invalid(path.key(MIRROR), found[MIRROR], "must set spec.nodeName if mirror pod annotation is set")
    if found.get(TOLERATIONS):
        _tolerations(found[TOLERATIONS], path, err)
    if not _is_cost(found) and (was is None or _is_cost(was)):
        err.invalid(path.key(DELETION_COST), found[DELETION_COST], "must be a 32bit integer")
    if SECCOMP_POD in found:
        _seccomp(found[SECCOMP_POD], path.at(SECCOMP_POD), err)
    for key, value in found.items():
        if key.startswith(SECCOMP):
            _seccomp(value, path.at(key), err)
    names = {container.get("name") or "" for _, container in of_all(spec, Path())}
    for key, value in found.items():
        if not key.startswith(APP_ARMOR):
            continue
        if (name := key.removeprefix(APP_ARMOR)) not in names:
            err.invalid(path.key(key), name, "container not found")
        if value not in APP_ARMOR_PROFILES and not value.startswith(LOCALHOST):
            err.invalid(path.key(key), value, f"invalid AppArmor profile name: {quoted(value)}")


def _is_cost(found: Object) -> bool:
    text = found.get(DELETION_COST)
    return text is None or bool(_COST.fullmatch(text) and -(1 << 31) <= int(text) < 1 << 31)


def _tolerations(text: str, path: Path, err: Errors) -> None:
    try:
        found = serialized.listed(text, "Toleration")
    except serialized.UNREADABLE as error:
        err.invalid(path, TOLERATIONS, str(error))
        return
    scheduling.tolerations(found, path.at(TOLERATIONS), err)


def _seccomp(profile: str, path: Path, err: Errors) -> None:
    if profile.startswith(LOCALHOST):
        security.relative(profile.removeprefix(LOCALHOST), path, err)
    elif profile not in SECCOMP_PROFILES:
        err.invalid(path, profile, "must be a valid seccomp profile")


def agree_with_fields(found: Object, spec: Object, path: Path, err: Errors) -> None:
    """Whoever says it twice says the same."""
    context = spec.get("securityContext") or {}
    whole = context.get("seccompProfile")
    if whole is not None and SECCOMP_POD in found:
        at = path.at("securityContext", "seccompProfile")
        _agree("seccomp", found[SECCOMP_POD], whole, ("runtime/default", "docker/default"), at, err)
    for at, container in of_all(spec, path):
        own = (container.get("securityContext") or {}).get("seccompProfile")
        annotation = found.get(SECCOMP + (container.get("name") or ""))
        if own is not None and annotation is not None:
            here = at.at("securityContext", "seccompProfile")
            _agree("seccomp", annotation, own, ("runtime/default", "docker/default"), here, err)
    if (spec.get("os") or {}).get("name") == "windows":
        return
    for at, container in of_all(spec, path):
        own = (container.get("securityContext") or {}).get("appArmorProfile") or context.get("appArmorProfile")
        annotation = found.get(APP_ARMOR + (container.get("name") or ""))
        if own is not None and annotation is not None:
            here = at.at("securityContext", "appArmorProfile")
            _agree("apparmor", annotation, own, ("runtime/default",), here, err)


def _agree(what: str, annotation: str, field: Object, default: tuple[str, ...], path: Path, err: Errors) -> None:
    allowed = {"Unconfined": ("unconfined",), "RuntimeDefault": default}.get(field.get("type") or "")
    if field.get("type") == "Localhost":
        if not annotation.startswith(LOCALHOST):
            err.forbidden(path.at("type"), f"{what} type in annotation and field must match")
        elif annotation.removeprefix(LOCALHOST) != field.get("localhostProfile"):
            err.forbidden(path.at("localhostProfile"), f"{what} profile in annotation and field must match")
    elif allowed is not None and annotation not in allowed:
        err.forbidden(path.at("type"), f"{what} type in annotation and field must match")


def check_update(new: Object, old: Object, path: Path, err: Errors) -> None:
    """Of a pod: what the kubelet has read may not change."""
    for key, value in old.items():
        if new.get(key) == value:
            continue
        if key.startswith(APP_ARMOR):
            err.forbidden(path.key(key), "may not remove or update AppArmor annotations")
        if key == MIRROR:
            err.forbidden(path.key(key), "may not remove or update mirror pod annotation")
    for key in new:
        if key in old:
            continue
        if key.startswith(APP_ARMOR):
            err.forbidden(path.key(key), "may not add AppArmor annotations")
        if key == MIRROR:
            err.forbidden(path.key(key), "may not add mirror pod annotation")
