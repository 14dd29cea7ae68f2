"""NetworkPolicy: who may talk to whom."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, notes, rules
from longboat.registry.strategy import CHANGE, WHOLE_METADATA_CHANGE, Strategy

_SPEC = Path("spec")
DIRECTIONS = (("ingress", "from"), ("egress", "to"))


class NetworkPolicy(Strategy):
    kind = kinds.NETWORK_POLICY
    columns = (
        Column("Pod-Selector", str, lambda policy: cells.selector(dig(policy, "spec", "podSelector", default={})),
               description="Which pods it is for."),
        AGE,
    )  # fmt: skip

    update_order = (*WHOLE_METADATA_CHANGE, CHANGE)

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        for direction, _ in DIRECTIONS:
            for rule in fill.each(spec, direction):
                for port in fill.each(rule, "ports"):
                    fill.absent(port, "protocol", "TCP")
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return notes.ranges(_ranges(new.get("spec") or {}))

    def validate_create(self, new: Object, err: Errors) -> None:
        _spec(new.get("spec") or {}, frozenset(), err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        """Ranges that an older version took may stay, wherever they are now."""
        former = old.get("spec") or {}
        blocks = [
            peer["ipBlock"]
            for direction, peers in DIRECTIONS
            for rule in fill.each(former, direction)
            for peer in fill.each(rule, peers)
            if peer.get("ipBlock") is not None
        ]
        ranges = frozenset(text for block in blocks for text in (block.get("cidr"), *(block.get("except") or ())))
        _spec(new.get("spec") or {}, ranges, err)


def _ranges(spec: Object) -> Iterator[tuple[Path, str]]:
    for direction, peers in DIRECTIONS:
        for i, rule in enumerate(spec.get(direction) or ()):
            for j, peer in enumerate(rule.get(peers) or ()):
                block, at = peer.get("ipBlock") or {}, _SPEC.at(direction).index(i).at(peers).index(j).at("ipBlock")
                yield at.at("cidr"), block.get("cidr") or ""
                yield from ((at.at("except").index(k), text) for k, text in enumerate(block.get("except") or ()))


def _spec(spec: Object, former: Collection[str], err: Errors) -> None:
    rules.label_selector(spec.get("podSelector"), _SPEC.at("podSelector"), err)
    for direction, peers in DIRECTIONS:
        for i, rule in enumerate(spec.get(direction) or ()):
            at = _SPEC.at(direction).index(i)
            for j, port in enumerate(rule.get("ports") or ()):
                _port(port, at.at("ports").index(j), err)
            for j, peer in enumerate(rule.get(peers) or ()):
                _peer(peer, former, at.at(peers).index(j), err)
    listed = spec.get("policyTypes") or []
    if len(listed) > 2:
        err.invalid(_SPEC.at("policyTypes"), listed, "may not specify more than two policyTypes")
        return
    for i, kind in enumerate(listed):
        rules.given_one_of(kind, ("Ingress", "Egress"), _SPEC.at("policyTypes").index(i), err, as_given=True)


def _port(port: Object, path: Path, err: Errors) -> None:
    rules.given_one_of(port.get("protocol"), ("TCP", "UDP", "SCTP"), path.at("protocol"), err, as_given=True)
    first, last, at = port.get("port"), port.get("endPort"), path.at("endPort")
    if first is None:
        if last is not None:
            err.invalid(at, last, "may not be specified when `port` is not specified")
    elif isinstance(first, str):
        if last is not None:
            err.invalid(at, last, "may not be specified when `port` is non-numeric")
        rules.port_or_name(first, path.at("port"), err)
    else:
        rules.port(first, path.at("port"), err)
        if last is not None:
            if last < first:
                err.invalid(at, first, "must be greater than or equal to `port`")  # upstream shows the first
            rules.port(last, at, err)


def _peer(peer: Object, former: Collection[str], path: Path, err: Errors) -> None:
    given = [field for field in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(field) is not None]
    for field in ("podSelector", "namespaceSelector"):
        rules.label_selector(peer.get(field), path.at(field), err)
    if (block := peer.get("ipBlock")) is not None:
        _block(block, former, path.at("ipBlock"), err)
    if not given:
        err.required(path, "must specify a peer")
    elif "ipBlock" in given and len(given) > 1:
        err.forbidden(path, "may not specify both ipBlock and another peer")


def _block(block: Object, former: Collection[str], path: Path, err: Errors) -> None:
    cidr = block.get("cidr") or ""
    if not cidr:
        err.required(path.at("cidr"))
        return
    whole = rules.cidr(cidr, path.at("cidr"), err, former)
    if whole is None:
        return
    for i, text in enumerate(block.get("except") or ()):
        at = path.at("except").index(i)
        part = rules.cidr(text, at, err, former)
        if part is None:
            continue
        inside = part.version == whole.version and whole.supernet_of(part) and part != whole  # type: ignore[arg-type]
        if not inside:
            err.invalid(at, text, "must be a strict subset of `cidr`")
