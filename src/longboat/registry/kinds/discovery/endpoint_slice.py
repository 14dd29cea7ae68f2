"""EndpointSlice: some of the addresses behind a service."""

from __future__ import annotations

from collections.abc import Callable

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, notes, rules
from longboat.registry.kinds.core import addresses
from longboat.registry.kinds.core.pod.containers import PROTOCOLS
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, Strategy

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")
ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
MAX_ENDPOINTS, MAX_ADDRESSES, MAX_PORTS, MAX_TOPOLOGY, MAX_HINTS = 1000, 100, 20000, 16, 8


def _ports(found: Object) -> str:
    ports = found.get("ports") or ()
    shown = [str(p["port"]) if p.get("port") is not None else p.get("name") or "*" for p in ports]
    return cells.some(shown, empty=cells.UNSET)


def _endpoints(found: Object) -> str:
    listed = [address for e in found.get("endpoints") or () for address in e.get("addresses") or ()]
    return cells.some(listed, empty=cells.UNSET)


class EndpointSlice(Strategy):
    kind = kinds.ENDPOINT_SLICE
    columns = (
        Column("AddressType", str, cells.at("addressType"), description="What its addresses are."),
        Column("Ports", str, _ports, description="The ports of its endpoints."),
        Column("Endpoints", str, _endpoints, description="The addresses of its endpoints."),
        AGE,
    )
    counted_metadata = ("labels",)  # they say whose it is
    update_order = (*WHOLE_METADATA, OBJECT, CHANGE)

    def default(self, obj: Object) -> None:
        for port in fill.each(obj, "ports"):
            fill.absent(port, "name", "")
            fill.absent(port, "protocol", "TCP")

    def validate(self, new: Object, err: Errors) -> None:
        rules.one_of(new.get("addressType"), ADDRESS_TYPES, Path("addressType"), err)
        _check_ports(new.get("ports") or [], err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """The controllers' own are known to be in order."""
        if dig(new, "metadata", "labels", MANAGED_BY) in MANAGERS:
            return []
        path = Path("endpoints")
        return notes.addresses(
            (path.index(i).at("addresses").index(j), text)
            for i, endpoint in enumerate(new.get("endpoints") or ())
            for j, text in enumerate(endpoint.get("addresses") or ())
        )

    def validate_create(self, new: Object, err: Errors) -> None:
        _check_endpoints(new.get("endpoints") or [], new.get("addressType") or "", err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        """Endpoints that were valid to an older version may stay."""
        if new.get("endpoints") != old.get("endpoints"):
            self.validate_create(new, err)
        rules.immutable(new.get("addressType") or "", old.get("addressType"), Path("addressType"), err)


def _check_endpoints(found: list[Object], kind: str, err: Errors) -> None:
    path = Path("endpoints")
    if len(found) > MAX_ENDPOINTS:
        err.too_many(path, len(found), MAX_ENDPOINTS)
        return
    for i, endpoint in enumerate(found):
        at, listed = path.index(i), endpoint.get("addresses") or []
        if not listed:
            err.required(at.at("addresses"), "must contain at least 1 address")
        elif len(listed) > MAX_ADDRESSES:
            err.too_many(at.at("addresses"), len(listed), MAX_ADDRESSES)
        for j, address in enumerate(listed):
            _address(address, kind, at.at("addresses").index(j), err)
        if (node := endpoint.get("nodeName")) is not None:
            err.extend(at.at("nodeName"), names.dns1123_subdomain(node), node)
        topology = endpoint.get("deprecatedTopology") or {}
        if len(topology) > MAX_TOPOLOGY:
            err.too_many(at.at("deprecatedTopology"), len(topology), MAX_TOPOLOGY)
        rules.labels(topology, at.at("deprecatedTopology"), err)
        if (name := endpoint.get("hostname")) is not None:
            err.extend(at.at("hostname"), names.dns1123_label(name), name)
        hints = endpoint.get("hints") or {}
        _check_hints(hints.get("forZones") or [], at.at("hints", "forZones"), names.label_value, err)
        _check_hints(hints.get("forNodes") or [], at.at("hints", "forNodes"), names.dns1123_subdomain, err)


def _address(value: str, kind: str, path: Path, err: Errors) -> None:
    match kind:
        case "FQDN" if not value:
            err.required(path)
        case "FQDN":
            why, part = names.fully_qualified(value)
            if why:
                err.invalid(path, part, why)
        case "IPv4" | "IPv6" if wrong := names.ip_address(value):
            err.extend(path, wrong, value)
        case "IPv4" | "IPv6":
            if (":" in value) != (kind == "IPv6"):
                err.invalid(path, value, f"must be an {kind} address")
            addresses.of_another_machine(value, path, err)


def _check_hints(found: list[Object], path: Path, check: Callable[[str], list[str]], err: Errors) -> None:
    if len(found) > MAX_HINTS:
        err.too_many(path, len(found), MAX_HINTS)
        return
    again = frozenset(rules.repeated(hint.get("name") or "" for hint in found))
    for i, hint in enumerate(found):
        at, name = path.index(i).at("name"), hint.get("name") or ""
        if i in again:
            err.duplicate(at, name)
        err.extend(at, check(name), name)


def _check_ports(found: list[Object], err: Errors) -> None:
    path = Path("ports")
    if len(found) > MAX_PORTS:
        err.too_many(path, len(found), MAX_PORTS)
        return
    again = frozenset(rules.repeated(port.get("name") or "" for port in found))
    for i, port in enumerate(found):
        at, name = path.index(i), port.get("name") or ""
        if name:
            err.extend(at.at("name"), names.dns1123_label(name), name)
        if i in again:
            err.duplicate(at.at("name"), name)
        rules.given_one_of(port.get("protocol"), PROTOCOLS, at.at("protocol"), err)
        if (app := port.get("appProtocol")) is not None:
            rules.label_name(app, at.at("appProtocol"), err)
