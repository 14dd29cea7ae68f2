"""Requests and limits, and the names of what can be asked for."""

from __future__ import annotations

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules
from longboat.registry.kinds.core.pod import level

HUGE_PAGES = "hugepages-"
STANDARD = frozenset((
    "cpu", "memory", "ephemeral-storage", "storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage",
    "requests.storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage", "pods", "resourcequotas", "services",
    "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims", "services.nodeports",
    "services.loadbalancers",
))  # fmt: skip
OF_CONTAINERS = frozenset(("cpu", "memory", "ephemeral-storage"))
NATIVE_DOMAIN = "kubernetes.io/"
DEFAULT_PREFIX = "requests."


def is_native(name: str) -> bool:
    return "/" not in name or NATIVE_DOMAIN in name


def is_extended(name: str) -> bool:
    """A resource that somebody else than Kubernetes defines."""
    return not is_native(name) and not name.startswith(DEFAULT_PREFIX) and not names.qualified_name(f"requests.{name}")


def is_standard(name: str) -> bool:
    return name in STANDARD or name.startswith((HUGE_PAGES, DEFAULT_PREFIX + HUGE_PAGES))


def name(value: str, path: Path, err: Errors) -> None:
    """Any resource's name."""
    if wrong := names.qualified_name(value):
        err.extend(path, wrong, value)
    elif "/" not in value and not is_standard(value):
        err.invalid(path, value, "must be a standard resource type or fully qualified")


def quota_name(value: str, path: Path, err: Errors) -> None:
    """The name of something that can be rationed."""
    name(value, path, err)
    if "/" not in value and (value == "storage" or not is_standard(value)):
        err.invalid(path, value, "must be a standard resource for quota")


def container_name(value: str, path: Path, err: Errors) -> None:
    """The name of something a container can ask for."""
    name(value, path, err)
    if "/" not in value:
        if value not in OF_CONTAINERS and not value.startswith(HUGE_PAGES):
            err.invalid(path, value, "must be a standard resource for containers")
    elif not is_native(value) and not is_extended(value):
        err.invalid(path, value, "doesn't follow extended resource name standard")


def value(resource: str, text: str, path: Path, err: Errors) -> None:
    """How much of a resource."""
    found = rules.amount_not_negative(text, path, err)
    whole = is_extended(resource) or resource in ("pods", "services", "secrets", "configmaps", "resourcequotas",
        "replicationcontrollers", "persistentvolumeclaims", "services.nodeports", "services.loadbalancers")  # fmt: skip
    if whole and found.milli % 1000:
        err.invalid(path, text, "must be an integer")


def requirements(found: Object | None, path: Path, err: Errors, *, of_pod: bool = False) -> None:
    """`resources` of a container, or of a pod as a whole."""
    found = found or {}
    limits, requests = found.get("limits") or {}, found.get("requests") or {}
    huge = any(r.startswith(HUGE_PAGES) for r in (*limits, *requests))
    ordinary = any(r in ("cpu", "memory") for r in (*limits, *requests))
    for part, listed in (("limits", limits), ("requests", requests)):
        for resource, text in listed.items():
            at = path.at(part).key(resource)
            if of_pod:
                if not level.supported(resource):
                    err.not_supported(path.at(part), resource, (*level.SUPPORTED, level.HUGE_PAGES))
            else:
                container_name(resource, at, err)
            value(resource, text, at, err)
    for resource, text in requests.items():
        _within_limit(resource, text, limits, path, err)
    if huge and not ordinary:
        err.forbidden(path, "HugePages require cpu or memory")
    if claims := found.get("claims"):
        for i in rules.repeated((c.get("name"), c.get("request")) for c in claims):
            err.duplicate(path.at("claims").index(i), claims[i].get("name"))


def _within_limit(resource: str, text: str, limits: Object, path: Path, err: Errors) -> None:
    exact = not is_native(resource) or resource.startswith(HUGE_PAGES)
    if resource not in limits:
        if exact:
            err.required(path.at("limits"), "Limit must be set for non overcommitable resources")
        return
    limit = limits[resource]
    quiet = Errors()
    asked, most = rules.amount(text, path, quiet), rules.amount(limit, path, quiet)
    if exact and asked != most:
        err.invalid(path.at("requests"), text, f"must be equal to {resource} limit of {limit}")
    elif asked > most:
        err.invalid(path.at("requests"), text, f"must be less than or equal to {resource} limit of {limit}")
