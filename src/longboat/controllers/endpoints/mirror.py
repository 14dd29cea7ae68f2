"""From an Endpoints object that somebody keeps by hand to the EndpointSlices that say the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from longboat.controllers.endpoints.slices import Ports, identity
from longboat.controllers.endpoints.views import (
    Endpoint,
    EndpointAddress,
    EndpointConditions,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    Subset,
)
from longboat.machinery import addresses

MOST = 1000  # addresses of a subset (kube-controller-manager, --mirroring-max-endpoints-per-subset)
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
NOT_MIRRORED = frozenset(
    ("endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration")
)

Group = tuple[str, Ports]
"""Address type and sorted ports: what one slice has in common."""


@dataclass(slots=True)
class Mirrored:
    """Endpoints by group, and how many addresses could not be mirrored."""

    groups: dict[Group, list[Endpoint]] = field(default_factory=dict)
    invalid: int = 0
    too_many: int = 0


@dataclass(slots=True)
class Plan:
    """`write` pairs what a group holds with the slice to overwrite, None for a new one."""

    write: list[tuple[EndpointSlice | None, Group, list[Endpoint]]] = field(default_factory=list)
    delete: list[EndpointSlice] = field(default_factory=list)


def wanted(endpoints: Endpoints) -> bool:
    """Whether these are to be mirrored, as far as they themselves say."""
    return endpoints.metadata.labels.get(SKIP) != "true" and LEADER not in endpoints.metadata.annotations


def labels_of(endpoints: Endpoints) -> dict[str, str]:
    return {**endpoints.metadata.labels, SERVICE_NAME: endpoints.metadata.name, MANAGED_BY: MANAGER}


def annotations_of(endpoints: Endpoints) -> dict[str, str]:
    return {name: value for name, value in endpoints.metadata.annotations.items() if name not in NOT_MIRRORED}


def mirrored(endpoints: Endpoints) -> Mirrored:
    """Each subset is cut by itself, ready addresses first."""
    found = Mirrored()
    for subset in repacked(endpoints.subsets):
        added = 0
        ports = tuple(subset.ports)
        listed = [(address, True) for address in subset.addresses]
        listed += [(address, False) for address in subset.notReadyAddresses]
        for place, (address, ready) in enumerate(listed):
            if added == MOST:
                found.too_many += len(listed) - place
                break
            family = family_of(address.ip)
            if not family:
                found.invalid += 1
                continue
            found.groups.setdefault((family, ports), []).append(_endpoint(address, ready))
            added += 1
    return found


def repacked(subsets: Iterable[Subset]) -> list[Subset]:
    """The same endpoints with as few subsets as can be: ports that have the same addresses are put together.

    An address that is both ready and not ready at a port is not ready.
    """
    known: dict[tuple[str, str], EndpointAddress] = {}
    by_port: dict[EndpointPort | None, dict[tuple[str, str], bool]] = {}
    for subset in subsets:
        for port in subset.ports or (None,):
            states = by_port.setdefault(port, {})
            for listed, ready in ((subset.addresses, True), (subset.notReadyAddresses, False)):
                for address in listed:
                    key = (address.ip, address.targetRef.uid if address.targetRef else "")
                    known.setdefault(key, address)
                    states[key] = states.get(key, True) and ready
    joined: dict[frozenset[tuple[tuple[str, str], bool]], list[EndpointPort]] = {}
    for port, states in by_port.items():
        joined.setdefault(frozenset(states.items()), []).extend([port] if port else [])
    return [
        Subset(
            addresses=[known[key] for key, ready in sorted(states) if ready],
            notReadyAddresses=[known[key] for key, ready in sorted(states) if not ready],
            ports=sorted(ports, key=_port_key),
        )
        for states, ports in joined.items()
        if states
    ]


def plan(endpoints: Endpoints, groups: Mapping[Group, Sequence[Endpoint]], existing: Iterable[EndpointSlice]) -> Plan:
    """One slice for each group; slices that nobody needs any more are overwritten before new ones are made."""
    found = Plan()
    by_group: dict[Group, list[EndpointSlice]] = {}
    for each in existing:
        by_group.setdefault((each.addressType, tuple(sorted(each.ports, key=_port_key))), []).append(each)
    spare = [each for group, slices in by_group.items() for each in slices[1 if group in groups else 0 :]]
    for group, held in groups.items():
        first = next(iter(by_group.get(group, ())), None)
        if first is not None and _alike(first, endpoints, held):
            continue
        if first is None:
            first = next((each for each in spare if each.addressType == group[0]), None)
            if first is not None:
                spare.remove(first)
        found.write.append((first, group, list(held)))
    found.delete = spare
    return found


def family_of(address: str) -> str:
    """The address type; "" for what is no address."""
    try:
        return f"IPv{addresses.parse(address).version}"
    except ValueError:
        return ""


def _alike(each: EndpointSlice, endpoints: Endpoints, held: Sequence[Endpoint]) -> bool:
    return (
        each.metadata.labels == labels_of(endpoints)
        and each.metadata.annotations == annotations_of(endpoints)
        and {identity(endpoint): endpoint for endpoint in each.endpoints}
        == {identity(endpoint): endpoint for endpoint in held}
    )


def _endpoint(address: EndpointAddress, ready: bool) -> Endpoint:
    return Endpoint(
        addresses=[str(addresses.parse(address.ip))],
        conditions=EndpointConditions(ready=ready),
        hostname=address.hostname or None,
        nodeName=address.nodeName,
        targetRef=address.targetRef,
    )


def _port_key(port: EndpointPort) -> tuple[str, str, int]:
    return (port.name, port.protocol, port.port or 0)
