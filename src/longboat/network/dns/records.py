"""What one Service, and one EndpointSlice, put into the zone (Kubernetes DNS specification 1.1.0). Pure.

Names are relative to the Service's: () is its own, (b"db-0",) a host of it, (b"_http", b"_tcp") a port.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping

from longboat.network.dns import wire
from longboat.network.dns.wire import Labels, Malformed
from longboat.network.views import Endpoint, EndpointSlice, Service

PRIORITY, WEIGHT = 0, 100  # alike for all: clients spread evenly
Sets = Mapping[int, tuple[bytes, ...]]
"""Data of the records of a name, by type."""
Names = Mapping[Labels, Sets]
"""A name with no records of its own stands here if names beneath it do."""


def packed(address: str) -> tuple[int, bytes] | None:
    """The record type of an address, and its bytes; None for what is no address."""
    family, kind = (socket.AF_INET6, wire.AAAA) if ":" in address else (socket.AF_INET, wire.A)
    try:
        return kind, socket.inet_pton(family, address)
    except (OSError, ValueError):
        return None


def alias(service: Service) -> Labels | None:
    """The name an ExternalName Service stands for; None for other Services, and where it is no name (or an address)."""
    if service.spec.type != "ExternalName" or packed(service.spec.externalName.rstrip(".")):
        return None
    try:
        return wire.labels(service.spec.externalName) or None
    except Malformed:
        return None


def addresses(service: Service) -> list[str]:
    """Its ClusterIPs; none for a headless Service or an ExternalName."""
    spec = service.spec
    if spec.type == "ExternalName":
        return []
    return [address for address in spec.clusterIPs or [spec.clusterIP] if address not in ("", "None")]


def is_headless(service: Service) -> bool:
    return service.spec.type != "ExternalName" and not addresses(service)


def of_service(service: Service, base: Labels) -> Names:
    """The names of a Service with ClusterIPs. `base` is its whole name."""
    names: dict[Labels, dict[int, list[bytes]]] = {(): {}}
    for address in addresses(service):
        _add(names, (), packed(address))
    for port in service.spec.ports:
        _add_port(names, port.name, port.protocol, (wire.SRV, _srv(port.port, base)))
    return _frozen(names)


def of_slice(piece: EndpointSlice, base: Labels) -> Names:
    """The names of a slice's ready endpoints: hosts, and what a headless Service makes of them."""
    names: dict[Labels, dict[int, list[bytes]]] = {}
    for endpoint, address in ready(piece):
        found = packed(address)
        host = hostname(endpoint, address)
        if found is None or host is None:
            continue
        _add(names, (), found)
        _add(names, (host,), found)
        for port in piece.ports:
            if port.port:
                _add_port(names, port.name, port.protocol, (wire.SRV, _srv(port.port, (host, *base))))
    return _frozen(names)


def ready(piece: EndpointSlice) -> Iterable[tuple[Endpoint, str]]:
    """Ready endpoints (publishNotReadyAddresses makes the others ready, too) with each of their addresses."""
    if piece.addressType in ("IPv4", "IPv6"):
        for endpoint in piece.endpoints:
            if endpoint.conditions.ready:
                for address in endpoint.addresses:
                    yield endpoint, address


def hostname(endpoint: Endpoint, address: str) -> bytes | None:
    """The label of an endpoint: its own, or else made of its address. None for what is no label."""
    text = endpoint.hostname or address.replace(".", "-").replace(":", "-")
    label = text.lower().encode("ascii", "replace")
    return label if 0 < len(label) < 64 else None


def _srv(port: int, target: Labels) -> bytes:
    return b"".join(number.to_bytes(2) for number in (PRIORITY, WEIGHT, port & 0xFFFF)) + wire.name(target)


def _add(names: dict[Labels, dict[int, list[bytes]]], name: Labels, record: tuple[int, bytes] | None) -> None:
    sets = names.setdefault(name, {})
    if record is not None:
        sets.setdefault(record[0], []).append(record[1])


def _add_port(names: dict[Labels, dict[int, list[bytes]]], port: str, protocol: str, record: tuple[int, bytes]) -> None:
    """An unnamed port has no name of its own; the Service's own name lists all ports, as CoreDNS has it."""
    _add(names, (), record)
    if port:
        below = b"_" + protocol.lower().encode()
        _add(names, (below,), None)
        _add(names, (b"_" + port.lower().encode(), below), record)


def _frozen(names: dict[Labels, dict[int, list[bytes]]]) -> Names:
    return {
        name: {kind: tuple(dict.fromkeys(records)) for kind, records in sets.items()} for name, sets in names.items()
    }
