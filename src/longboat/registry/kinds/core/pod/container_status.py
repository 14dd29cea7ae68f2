"""What the statuses of a pod's containers may tell: as whom they run, how their devices are, what they were given."""

from __future__ import annotations

from collections.abc import Sequence

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import rules

_STATUS = Path("status")
_LISTS = (  # of statuses, and of their containers
    ("containerStatuses", "containers"),
    ("initContainerStatuses", "initContainers"),
    ("ephemeralContainerStatuses", ""),
)
HEALTHS = ("Healthy", "Unhealthy", "Unknown")
NO_CLAIM = (
    "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or "
    "'claim:<claimName>' if request is empty"
)
NO_REQUEST = "must match one of the container's resource requests"
NO_CONTAINER = "must match the name of an entry in spec.initContainers.name or spec.containers.name"
NO_EXTENDED = (
    "must match the extended resource name of an entry in spec.initContainers.resources.requests or "
    "spec.containers.resources.requests"
)


def validate(pod: Object, err: Errors) -> None:
    spec = pod.get("spec") or {}
    system = dig(spec, "os", "name", default="linux")
    for field, _ in _LISTS:
        for i, status in enumerate(dig(pod, "status", field, default=())):
            _user(dig(status, "user", "linux"), system, _STATUS.at(field).index(i).at("user", "linux"), err)
    for field, containers in _LISTS:
        by_name = {container.get("name"): container for container in spec.get(containers) or ()}
        for i, status in enumerate(dig(pod, "status", field, default=())):
            found, path = status.get("allocatedResourcesStatus") or (), _STATUS.at(field).index(i)
            if containers:
                _health(found, by_name.get(status.get("name")), path.at("allocatedResourcesStatus"), err)
            elif found:
                err.forbidden(path.at("allocatedResourcesStatus"), "must not be specified in container status")


def _user(found: Object | None, system: str, path: Path, err: Errors) -> None:
    if found is None:
        return
    if system == "windows":
        err.forbidden(path, "cannot be set for a windows pod")
    elif system == "linux":
        for field in ("uid", "gid"):
            rules.in_range(found.get(field), 0, rules.MAX_INT32, path.at(field), err)
        for i, group in enumerate(found.get("supplementalGroups") or ()):
            rules.in_range(group, 0, rules.MAX_INT32, path.at("supplementalGroups").index(i), err)


def _health(found: Sequence[Object], container: Object | None, path: Path, err: Errors) -> None:
    """How the devices are that a container was given (KEP-4680). A container that is not there is passed over."""
    given = set() if container is None else {*_claims(container), *(dig(container, "resources", "requests") or ())}
    for i, resource in enumerate(found):
        at, name, seen = path.index(i), resource.get("name") or "", set[str]()
        if container is not None and name not in given:
            err.invalid(at.at("name"), name, NO_CLAIM if name.startswith("claim:") else NO_REQUEST)
        for j, device in enumerate(resource.get("resources") or ()):
            here, health = at.at("resources").index(j), device.get("health") or ""
            identity = device.get("resourceID") or ""
            if health not in HEALTHS:
                err.not_supported(here.at("health"), health, HEALTHS)
            if identity in seen:
                err.duplicate(here.at("resourceID"), identity)
            seen.add(identity)


def _claims(container: Object) -> list[str]:
    found = dig(container, "resources", "claims", default=())
    both = ((claim.get("name") or "", claim.get("request")) for claim in found)
    return [f"claim:{name}/{request}" if request else f"claim:{name}" for name, request in both]


def extended_claim(pod: Object, err: Errors) -> None:
    """The claim that was made for what containers ask for as extended resources (KEP-5004)."""
    found, path = dig(pod, "status", "extendedResourceClaimStatus"), _STATUS.at("extendedResourceClaimStatus")
    if found is None:
        return
    spec, at, seen = pod.get("spec") or {}, path.at("requestMappings"), set()
    by_name = {each.get("name"): each for field in ("initContainers", "containers") for each in spec.get(field) or ()}
    mappings = found.get("requestMappings") or ()
    if not mappings:
        err.required(at, "at least one request mapping is required")
    for i, mapping in enumerate(mappings):
        here = at.index(i)
        fields = {field: mapping.get(field) or "" for field in ("containerName", "resourceName", "requestName")}
        container = by_name.get(fields["containerName"])
        if container is None:
            err.invalid(here.at("containerName"), fields["containerName"], NO_CONTAINER)
        elif fields["resourceName"] not in dig(container, "resources", "requests", default=()):
            err.invalid(here.at("resourceName"), fields["resourceName"], NO_EXTENDED)
        # Upstream does not say which of them.
        err.extend(path.at("requestName"), names.dns1123_label(fields["requestName"]), fields["requestName"])
        if (key := tuple(fields.values())) in seen:
            for field, value in fields.items():
                err.duplicate(here.at(field), value)
        seen.add(key)
    claim = found.get("resourceClaimName") or ""
    rules.named(claim, path.at("resourceClaimName"), err)
