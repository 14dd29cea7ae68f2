"""Defaults and validation of nodes."""

from __future__ import annotations

import ipaddress

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import fill, rules
from longboat.registry.kinds.core import resources
from longboat.registry.kinds.core.pod.scheduling import EFFECTS

_SPEC, _STATUS = Path("spec"), Path("status")


def default(obj: Object) -> None:
    """Allocatable is all there is, unless the node says otherwise; podCIDR is the first of podCIDRs."""
    spec, status = fill.part(obj, "spec"), obj.get("status") or {}
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif (ranges := spec.get("podCIDRs")) and ranges[0] and not spec.get("podCIDR"):
        spec["podCIDR"] = ranges[0]


def validate(node: Object, err: Errors) -> None:
    spec = node.get("spec") or {}
    taints(spec.get("taints") or [], Path("metadata", "taints"), err)  # upstream's name for them
    _amounts(node, err)
    _pod_ranges(spec.get("podCIDRs") or [], err)


def taints(found: list[Object], path: Path, err: Errors) -> None:
    seen: set[tuple[str, str]] = set()
    for i, taint in enumerate(found):
        at, key, effect = path.index(i), taint.get("key") or "", taint.get("effect") or ""
        rules.label_name(key, at.at("key"), err)
        if wrong := names.label_value(taint.get("value") or ""):
            err.invalid(at.at("value"), taint.get("value"), ";".join(wrong))
        rules.one_of(effect, EFFECTS, at.at("effect"), err)
        if (key, effect) in seen:
            err.duplicate(at, taint)
        seen.add((key, effect))


def _amounts(node: Object, err: Errors) -> None:
    for part in ("capacity", "allocatable"):
        for resource, text in dig(node, "status", part, default={}).items():
            resources.value(resource, text, _STATUS.at(part, resource), err)


def _pod_ranges(found: list[str], err: Errors) -> None:
    path = _SPEC.at("podCIDRs")
    for i, cidr in enumerate(found):
        rules.cidr(cidr, path.index(i), err)
    if len(found) > 2 or (
        len(found) == 2 and len({ipaddress.ip_network(c, strict=False).version for c in found if _is_network(c)}) == 1
    ):
        err.invalid(path, found, "may specify no more than one CIDR for each IP family")


def _is_network(cidr: str) -> bool:
    quiet = Errors()
    rules.cidr(cidr, _SPEC, quiet)
    return not quiet


def validate_update(new: Object, old: Object, err: Errors) -> None:
    """A pod range and a provider's ID are given once."""
    spec, former = new.get("spec") or {}, old.get("spec") or {}
    for field in ("podCIDRs", "providerID"):
        if former.get(field) and spec.get(field) != former.get(field):
            shown = field.removesuffix("s")
            err.forbidden(_SPEC.at(field), f'node updates may not change {shown} except from "" to valid')


def validate_status(node: Object, err: Errors) -> None:
    _amounts(node, err)
    addresses = dig(node, "status", "addresses", default=[])
    for i in rules.repeated((a.get("type"), a.get("address")) for a in addresses):
        err.duplicate(_STATUS.at("addresses").index(i), addresses[i])
