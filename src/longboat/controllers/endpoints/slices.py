"""Which slices to create, change and delete so that they hold just these endpoints. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from longboat.controllers.endpoints.views import Endpoint, EndpointPort, EndpointSlice

MOST = 100  # endpoints to a slice (kube-controller-manager, --max-endpoints-per-slice)

Ports = tuple[EndpointPort, ...]


@dataclass(slots=True)
class Changes:
    create: list[tuple[Ports, list[Endpoint]]] = field(default_factory=list)
    update: list[tuple[EndpointSlice, list[Endpoint]]] = field(default_factory=list)
    delete: list[EndpointSlice] = field(default_factory=list)


def reconcile(desired: Mapping[Ports, Sequence[Endpoint]], existing: Iterable[EndpointSlice]) -> Changes:
    """Touch as few slices as possible: endpoints stay where they are; new ones fill the slices that change anyway,
    then the fullest that has room, and only then a new one."""
    changes = Changes()
    by_ports: dict[Ports, list[EndpointSlice]] = {}
    for each in existing:
        by_ports.setdefault(tuple(sorted(each.ports, key=_port_key)), []).append(each)
    wanted = {tuple(sorted(ports, key=_port_key)): endpoints for ports, endpoints in desired.items()}
    for ports, slices in by_ports.items():
        if ports not in wanted:
            changes.delete += slices
    for ports, endpoints in wanted.items():
        _one(ports, endpoints, by_ports.get(ports, []), changes)
    return changes


def _one(ports: Ports, endpoints: Sequence[Endpoint], slices: list[EndpointSlice], changes: Changes) -> None:
    left = {identity(endpoint): endpoint for endpoint in endpoints}
    kept: dict[str, list[Endpoint]] = {}
    touched: set[str] = set()
    for each in slices:
        mine: list[Endpoint] = []
        for endpoint in each.endpoints:
            fresh = left.pop(identity(endpoint), None)
            if fresh is None:
                touched.add(each.metadata.name)
                continue
            mine.append(fresh)
            if fresh != endpoint:
                touched.add(each.metadata.name)
        kept[each.metadata.name] = mine
    fresh_ones = list(left.values())
    fullest_first = sorted(slices, key=lambda s: (s.metadata.name not in touched, -len(kept[s.metadata.name])))
    for each in fullest_first:
        name = each.metadata.name
        room = MOST - len(kept[name])
        untouched_would_do = name in touched or len(fresh_ones) <= room
        if fresh_ones and room > 0 and untouched_would_do:
            kept[name] += fresh_ones[:room]
            del fresh_ones[:room]
            touched.add(name)
    for each in slices:
        name = each.metadata.name
        if name not in touched:
            continue
        if kept[name]:
            changes.update.append((each, kept[name]))
        else:
            changes.delete.append(each)
    for start in range(0, len(fresh_ones), MOST):
        changes.create.append((ports, fresh_ones[start : start + MOST]))
    if not endpoints and not slices:
        changes.create.append((ports, []))  # a Service without endpoints still has a slice that says so


def identity(endpoint: Endpoint) -> tuple[str, ...]:
    target = endpoint.targetRef.uid if endpoint.targetRef else ""
    return (target, *endpoint.addresses)


def _port_key(port: EndpointPort) -> tuple[str, str, int]:
    return (port.name, port.protocol, port.port or 0)
