"""EndpointSlice: some of the addresses behind a service."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.kinds.core import addresses
from longboat.registry.kinds.core.pod.containers import PROTOCOLS
from longboat.registry.strategy import Strategy

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
MAX_ENDPOINTS, MAX_ADDRESSES, MAX_PORTS = 1000, 100, 20000


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

    def default(self, obj: Object) -> None:
        for port in fill.each(obj, "ports"):
            fill.absent(port, "name", "")
            fill.absent(port, "protocol", "TCP")

    def validate(self, new: Object, err: Errors) -> None:
        kind = new.get("addressType")
        rules.one_of(kind, ADDRESS_TYPES, Path("addressType"), err)
        _check_endpoints(new.get("endpoints") or [], kind or "", err)
        _check_ports(new.get("ports") or [], err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        rules.immutable(new.get("addressType"), old.get("addressType"), Path("addressType"), err)


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
        if node := endpoint.get("nodeName"):
            err.extend(at.at("nodeName"), names.dns1123_subdomain(node), node)
        rules.labels(endpoint.get("deprecatedTopology"), at.at("deprecatedTopology"), err)
        if name := endpoint.get("hostname"):
            err.extend(at.at("hostname"), names.dns1123_label(name), name)
        for j, zone in enumerate((endpoint.get("hints") or {}).get("forZones") or ()):
            where = at.at("hints", "forZones").index(j).at("name")
            rules.named(zone.get("name") or "", where, err, names.label_value)


def _address(value: str, kind: str, path: Path, err: Errors) -> None:
    match kind:
        case "FQDN":
            err.extend(path, names.dns1123_subdomain(value), value)
        case "IPv4" | "IPv6":
            if (":" in value) != (kind == "IPv6") and not names.ip_address(value):
                err.invalid(path, value, f"must be an {kind} address")
            else:
                addresses.ordinary(value, path, err)


def _check_ports(found: list[Object], err: Errors) -> None:
    path = Path("ports")
    if len(found) > MAX_PORTS:
        err.too_many(path, len(found), MAX_PORTS)
        return
    for i, port in enumerate(found):
        at, name = path.index(i), port.get("name") or ""
        if name:
            err.extend(at.at("name"), names.dns1123_label(name), name)
        rules.one_of(port.get("protocol"), PROTOCOLS, at.at("protocol"), err)
        if port.get("port") is not None:
            rules.port(port["port"], at.at("port"), err)
        if app := port.get("appProtocol"):
            rules.label_name(app, at.at("appProtocol"), err)
    for i in rules.repeated(port.get("name") or "" for port in found):
        err.duplicate(path.at("name"), found[i].get("name") or "")
