"""NetworkPolicy: who may talk to whom."""

from __future__ import annotations

import ipaddress

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.strategy import Strategy

_SPEC = Path("spec")
DIRECTIONS = (("ingress", "from"), ("egress", "to"))


class NetworkPolicy(Strategy):
    kind = kinds.NETWORK_POLICY
    columns = (
        Column("Pod-Selector", str, lambda policy: cells.selector(dig(policy, "spec", "podSelector", default={})),
               description="Which pods it is for."),
        AGE,
    )  # fmt: skip

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        for direction, _ in DIRECTIONS:
            for rule in fill.each(spec, direction):
                for port in fill.each(rule, "ports"):
                    fill.empty(port, "protocol", "TCP")
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        rules.label_selector(spec.get("podSelector"), _SPEC.at("podSelector"), err)
        for direction, peers in DIRECTIONS:
            for i, rule in enumerate(spec.get(direction) or ()):
                at = _SPEC.at(direction).index(i)
                for j, port in enumerate(rule.get("ports") or ()):
                    _port(port, at.at("ports").index(j), err)
                for j, peer in enumerate(rule.get(peers) or ()):
                    _peer(peer, at.at(peers).index(j), err)
        listed = spec.get("policyTypes") or []
        if len(listed) > 2:
            err.invalid(_SPEC.at("policyTypes"), listed, "may not specify more than two policyTypes")
            return
        for i, kind in enumerate(listed):
            rules.one_of(kind, ("Egress", "Ingress"), _SPEC.at("policyTypes").index(i), err)


def _port(port: Object, path: Path, err: Errors) -> None:
    rules.maybe_one_of(port.get("protocol"), ("SCTP", "TCP", "UDP"), path.at("protocol"), err)
    first, last = port.get("port"), port.get("endPort")
    if first is not None:
        rules.port_or_name(first, path.at("port"), err)
    if last is None:
        return
    if first is None:
        err.required(path.at("port"), "must be specified when `endPort` is specified")
    elif isinstance(first, str):
        err.invalid(path.at("endPort"), last, "may not be specified when `port` is non-numeric")
    elif first > last:
        err.invalid(path.at("endPort"), last, "must be greater than or equal to `port`")


def _peer(peer: Object, path: Path, err: Errors) -> None:
    given = [field for field in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(field) is not None]
    for field in ("podSelector", "namespaceSelector"):
        rules.label_selector(peer.get(field), path.at(field), err)
    if (block := peer.get("ipBlock")) is not None:
        _block(block, path.at("ipBlock"), err)
    if not given:
        err.required(path, "must specify a peer")
    elif "ipBlock" in given and len(given) > 1:
        err.forbidden(path, "may not specify both ipBlock and another peer")


def _block(block: Object, path: Path, err: Errors) -> None:
    cidr = block.get("cidr") or ""
    if not cidr:
        err.required(path.at("cidr"))
        return
    known = err.count
    rules.cidr(cidr, path.at("cidr"), err)
    if err.count > known:
        return
    whole = ipaddress.ip_network(cidr, strict=False)
    for i, text in enumerate(block.get("except") or ()):
        at, known = path.at("except").index(i), err.count
        rules.cidr(text, at, err)
        if err.count > known:
            continue
        part = ipaddress.ip_network(text, strict=False)
        inside = part.version == whole.version and whole.supernet_of(part) and part != whole  # type: ignore[arg-type]
        if not inside:
            err.invalid(at, text, f"must be a strict subset of `cidr` {cidr}")
