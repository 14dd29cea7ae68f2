"""Endpoints: the addresses behind a service, in the form that came before EndpointSlice."""

from __future__ import annotations

from collections.abc import Iterator

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, notes, rules
from longboat.registry.kinds.core import addresses
from longboat.registry.kinds.core.pod.containers import PROTOCOLS
from longboat.registry.strategy import CHANGE, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy

_SUBSETS = Path("subsets")
MANAGED_BY, MANAGER = "endpoints.kubernetes.io/managed-by", "endpoint-controller"


def shown(endpoints: Object) -> str:
    found: list[str] = []
    for subset in endpoints.get("subsets") or ():
        ips = [address.get("ip") or "" for address in subset.get("addresses") or ()]
        ports = subset.get("ports") or []
        found += ips if not ports else [_joined(ip, port.get("port")) for port in ports for ip in ips]
    return cells.some(found)


def _joined(ip: str, port: int | None) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


class Endpoints(Strategy):
    kind = kinds.ENDPOINTS
    columns = (Column("Endpoints", str, shown, description="The addresses that are ready."), AGE)
    generation = False
    create_on_update = True
    deprecated = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    storage_prefix = "services/endpoints"
    update_order = (*WHOLE_METADATA_CHANGE, *WHOLE_METADATA, CHANGE)

    def default(self, obj: Object) -> None:
        for subset in fill.each(obj, "subsets"):
            for port in fill.each(subset, "ports"):
                fill.empty(port, "protocol", "TCP")

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """The controller's own are known to be in order."""
        own = dig(new, "metadata", "labels", MANAGED_BY) == MANAGER
        return [] if own else notes.addresses(_addresses(new))

    def validate_create(self, new: Object, err: Errors) -> None:
        _subsets(new, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        """What was valid to an older version may stay."""
        if new.get("subsets") != old.get("subsets"):
            _subsets(new, err)


def _addresses(new: Object) -> Iterator[tuple[Path, str]]:
    for i, subset in enumerate(new.get("subsets") or ()):
        for field in ("addresses", "notReadyAddresses"):
            at = _SUBSETS.index(i).at(field)
            yield from ((at.index(j).at("ip"), each.get("ip") or "") for j, each in enumerate(subset.get(field) or ()))


def _subsets(new: Object, err: Errors) -> None:
    for i, subset in enumerate(new.get("subsets") or ()):
        _subset(subset, _SUBSETS.index(i), err)


def _subset(subset: Object, path: Path, err: Errors) -> None:
    if not subset.get("addresses") and not subset.get("notReadyAddresses"):
        err.required(path, "must specify `addresses` or `notReadyAddresses`")
    for field in ("addresses", "notReadyAddresses"):
        for i, address in enumerate(subset.get(field) or ()):
            at = path.at(field).index(i)
            ip = address.get("ip") or ""
            rules.address(ip, at.at("ip"), err)
            if name := address.get("hostname"):
                err.extend(at.at("hostname"), names.dns1123_label(name), name)
            if (node := address.get("nodeName")) is not None:
                err.extend(at.at("nodeName"), names.dns1123_subdomain(node), node)
            addresses.of_another_machine(ip, at.at("ip"), err)
    ports = subset.get("ports") or []
    for i, port in enumerate(ports):
        at, name = path.at("ports").index(i), port.get("name") or ""
        if name:
            err.extend(at.at("name"), names.dns1123_label(name), name)
        elif len(ports) > 1:
            err.required(at.at("name"))
        rules.port(port.get("port") or 0, at.at("port"), err)
        rules.one_of(port.get("protocol"), PROTOCOLS, at.at("protocol"), err)
        if (app := port.get("appProtocol")) is not None:
            rules.label_name(app, at.at("appProtocol"), err)
