"""Requests and limits, and the names of what can be asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

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


def may_overcommit(name: str) -> bool:
    """Whether a container may be promised less of it than it may use."""
    return is_native(name) and not name.startswith(HUGE_PAGES)


def is_quota(name: str) -> bool:
    """A resource that Kubernetes knows how to ration."""
    return is_standard(name) and name != "storage"


def name(value: str, path: Path, err: Errors) -> None:
    """Any resource's name."""
    if wrong := names.qualified_name(value):
        err.extend(path, wrong, value)
    elif "/" not in value and not is_standard(value):
        err.invalid(path, value, "must be a standard resource type or fully qualified")


def quota_name(value: str, path: Path, err: Errors) -> None:
    """The name of something that can be rationed."""
    name(value, path, err)
    if "/" not in value and not is_quota(value):
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
    found = rules.amount(text, path, err)
    if found.amount < 0:
        err.invalid(path, str(found), rules.NOT_NEGATIVE)
    whole = is_extended(resource) or resource in ("pods", "services", "secrets", "configmaps", "resourcequotas",
        "replicationcontrollers", "persistentvolumeclaims", "services.nodeports", "services.loadbalancers")  # fmt: skip
    if whole and found.milli % 1000:
        err.invalid(path, str(found), "must be an integer")


def requirements(
    found: Object | None, path: Path, err: Errors, *, of_pod: bool = False, claims: Collection[str] | None = None
) -> None:
    """`resources` of a container, or of a pod as a whole. `claims` are the names of the pod's claims."""
    found = found or {}
    limits, requests = found.get("limits") or {}, found.get("requests") or {}
    check = pod_name if of_pod else container_name
    for part, listed in (("limits", limits), ("requests", requests)):
        for resource in sorted(listed):
            text, at = listed[resource], path.at(part).key(resource)
            check(resource, at, err)
            value(resource, text, at, err)
            if part == "requests":
                _within_limit(resource, text, limits, path, err)
            if resource.startswith(HUGE_PAGES):
                _pages(resource, text, at, err)
    named = limits.keys() | requests.keys()
    if any(r.startswith(HUGE_PAGES) for r in named) and not named & {"cpu", "memory"}:
        err.forbidden(path, "HugePages require cpu or memory")
    _claims(found.get("claims") or [], claims or (), path.at("claims"), err)


def pod_name(value: str, path: Path, err: Errors) -> None:
    """The name of something that a pod as a whole can ask for."""
    name(value, path, err)
    if not level.supported(value):
        err.not_supported(path, value, (*level.SUPPORTED, level.HUGE_PAGES))


def _pages(resource: str, text: str, path: Path, err: Errors) -> None:
    """So many whole pages."""
    quiet = Errors()
    found, size = rules.amount(text, path, quiet), rules.amount(resource.removeprefix(HUGE_PAGES), path, quiet)
    if size.value <= 0 or found.value % size.value:
        err.invalid(path, str(found), f"{found} is not positive integer multiple of {resource}")


def _within_limit(resource: str, text: str, limits: Object, path: Path, err: Errors) -> None:
    exact = not may_overcommit(resource)
    if resource not in limits:
        if exact:
            err.required(path.at("limits"), "Limit must be set for non overcommitable resources")
        return
    quiet = Errors()
    asked, most = rules.amount(text, path, quiet), rules.amount(limits[resource], path, quiet)
    if exact and asked != most:
        err.invalid(path.at("requests"), str(asked), f"must be equal to {resource} limit of {most}")
    elif asked > most:
        err.invalid(path.at("requests"), str(asked), f"must be less than or equal to {resource} limit of {most}")


def _claims(found: list[Object], known: Collection[str], path: Path, err: Errors) -> None:
    """Which of the pod's claims a container uses, each once: as a whole, or by its requests."""
    seen: set[str] = set()
    parts: Counter[str] = Counter()  # requests seen of each claim
    for i, claim in enumerate(found):
        at, called, request = path.index(i), claim.get("name") or "", claim.get("request") or ""
        if not called:
            err.required(at)
            continue
        if called in seen:
            err.duplicate(at, called)
        else:
            key = f"{called}/{request}" if request else called
            if request:
                err.extend(at.at("request"), names.dns1123_label(request), request)
            if key in seen:
                err.duplicate(at, key)
            elif not request:
                for _ in range(parts[called]):
                    err.duplicate(at, called)
            if key not in seen and request:
                parts[called] += 1
            seen.add(key)
        if called not in known:
            listed = f": {', '.join(sorted(known))}" if known else " which is empty"
            err.not_found(at, called, f"must be one of the names in pod.spec.resourceClaims{listed}")
