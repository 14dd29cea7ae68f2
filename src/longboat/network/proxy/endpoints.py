"""Which endpoints a Service's traffic goes to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from longboat.network.families import IPV4, Family
from longboat.network.views import Endpoint, EndpointSlice, ServicePort


@dataclass(frozen=True, order=True)
class Target:
    """An address and port that traffic is sent to, and whether it is on this node."""

    address: str
    port: int
    local: bool = False


@dataclass(frozen=True)
class Targets:
    """`cluster`: anywhere; `local`: on this node. Each falls back to endpoints that are ending but still serve."""

    cluster: tuple[Target, ...] = ()
    local: tuple[Target, ...] = ()


def targets(slices: Iterable[EndpointSlice], port: ServicePort, node: str, family: Family = IPV4) -> Targets:
    """The endpoints of one port of a Service that have addresses of this family, sorted.

    Ready ones; where there is none, those that terminate but still serve (KEP-1669, decided for each policy by itself).
    """
    ready: set[Target] = set()
    ending: set[Target] = set()
    for endpoint, address, number in _endpoints(slices, port, family):
        if endpoint.conditions.ready:
            ready.add(Target(address, number, endpoint.nodeName == node))
        elif endpoint.conditions.serving and endpoint.conditions.terminating:
            ending.add(Target(address, number, endpoint.nodeName == node))
    return Targets(_choose(ready, ending), _choose(_local(ready), _local(ending)))


def lasting(slices: Iterable[EndpointSlice], port: ServicePort, family: Family = IPV4) -> set[tuple[str, int]]:
    """Addresses and ports that flows of a port of a Service may go on to: whoever still serves, ending or not."""
    return {
        (address, number)
        for endpoint, address, number in _endpoints(slices, port, family)
        if endpoint.conditions.ready or endpoint.conditions.serving
    }


def _endpoints(
    slices: Iterable[EndpointSlice], port: ServicePort, family: Family
) -> Iterator[tuple[Endpoint, str, int]]:
    """All of a port, with their addresses of the family and what the port is there."""
    for piece in slices:
        if piece.addressType != family.name:
            continue
        for candidate in piece.ports:
            if candidate.name != port.name or candidate.protocol != port.protocol or not candidate.port:
                continue
            for endpoint in piece.endpoints:
                if endpoint.addresses and family.has(endpoint.addresses[0]):
                    yield endpoint, endpoint.addresses[0], candidate.port


def _choose(ready: set[Target], ending: set[Target]) -> tuple[Target, ...]:
    return tuple(sorted(ready or ending))


def _local(found: set[Target]) -> set[Target]:
    return {target for target in found if target.local}
