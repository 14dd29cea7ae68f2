"""Defaults and validation of nodes."""

from __future__ import annotations

import re

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path, quoted
from longboat.machinery.objects import Object, dig
from longboat.machinery.types import internal
from longboat.registry.kinds import fill, notes, rules
from longboat.registry.kinds.core import resources, serialized

_META, _SPEC, _STATUS = Path("metadata"), Path("spec"), Path("status")
TAINT, ADDRESS = "io.k8s.api.core.v1.Taint", "io.k8s.api.core.v1.NodeAddress"
EXTERNAL_ID = "spec.externalID: this field is deprecated, and is unused by Kubernetes"
TAINTS, AVOIDED = "scheduler.alpha.kubernetes.io/taints", "scheduler.alpha.kubernetes.io/preferAvoidPods"
LONGEST_FEATURE = 253
FEATURES_ARE = (
    "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or "
    "MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
)
_FEATURE = re.compile(r"[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def default(obj: Object) -> None:
    """Allocatable is all there is, unless the node says otherwise; podCIDR is the first of podCIDRs."""
    spec, status = fill.part(obj, "spec"), obj.get("status") or {}
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif (ranges := spec.get("podCIDRs")) and ranges[0] and not spec.get("podCIDR"):
        spec["podCIDR"] = ranges[0]


def drop_dynamic_configuration(new: Object, old: Object) -> None:
    """The agent is no longer configured through its node (removed in v1.24): nothing new of that is kept."""
    for part, field in (("spec", "configSource"), ("status", "config")):
        if part in new and dig(old, part, field) is None:
            new[part].pop(field, None)


def validate(node: Object, err: Errors) -> None:
    spec = node.get("spec") or {}
    _annotations(node, err)
    taints(spec.get("taints") or [], _META.at("taints"), err)  # upstream's name for them
    _amounts(node, err)
    swap = dig(node, "status", "nodeInfo", "swap", "capacity")
    if swap is not None and swap <= 0:
        err.invalid(_META.at("nodeSwapStatus", "capacity"), swap, "must be greater than zero")
    _declared(node, err)
    _pod_ranges(spec.get("podCIDRs") or [], err)


def _annotations(node: Object, err: Errors) -> None:
    """What was said there before it had a field, and what pods a node would rather not have."""
    found, path = dig(node, "metadata", "annotations", default={}), _META.at("annotations")
    if text := found.get(TAINTS):
        try:
            taints(serialized.listed(text, "Taint"), path.at(TAINTS), err)
        except serialized.UNREADABLE as error:
            err.invalid(path, TAINTS, str(error))
    if not (text := found.get(AVOIDED)):
        return
    try:
        signatures = serialized.avoided(text)
    except serialized.UNREADABLE as error:
        err.invalid(path.at("AvoidPods"), AVOIDED, str(error))
        return
    for i, signature in enumerate(signatures):
        at, controller = path.at(AVOIDED).index(i).at("PodSignature"), signature.get("podController")
        if controller is None:
            err.required(at)
        elif not controller.get("controller"):
            err.invalid(at.at("PodController", "Controller"), False, "must point to a controller")


def _declared(node: Object, err: Errors) -> None:
    """The features that its agent says it has (KEP-5328): named as gates are, each once, in order."""
    found, path = dig(node, "status", "declaredFeatures", default=[]), _STATUS.at("declaredFeatures")
    former = None
    for i, name in enumerate(found):
        if former is not None and name == former:
            err.duplicate(path.index(i), name)
        elif former is not None and name.encode() < former.encode():
            err.invalid(path.index(i), name, "list must be sorted alphabetically")
        if len(name.encode()) > LONGEST_FEATURE:
            why = f"must be no more than {LONGEST_FEATURE} characters"
            err.invalid(path.index(i), name, f"invalid feature name {quoted(name)}: {why}")
        elif not _FEATURE.fullmatch(name):
            err.invalid(path.index(i), name, f"invalid feature name {quoted(name)}: {FEATURES_ARE}")
        former = name


def taints(found: list[Object], path: Path, err: Errors) -> None:
    seen: set[tuple[str, str]] = set()
    for i, taint in enumerate(found):
        at = path.index(i)
        key, effect = taint.get("key") or "", taint.get("effect") or ""
        rules.label_name(key, at.at("key"), err)
        if wrong := names.label_value(taint.get("value") or ""):
            err.invalid(at.at("value"), taint.get("value"), ";".join(wrong))
        if not effect:
            err.required(at.at("effect"))
        else:
            rules.given_one_of(effect, EFFECTS, at.at("effect"), err, as_given=True)
        if (key, effect) in seen:
            err.duplicate(at, internal.whole(TAINT, taint), "taints must be unique by key and effect pair")
        seen.add((key, effect))


def _amounts(node: Object, err: Errors) -> None:
    for part in ("capacity", "allocatable"):
        for resource, text in dig(node, "status", part, default={}).items():
            resources.value(resource, text, _STATUS.at(part, resource), err)


def _pod_ranges(found: list[str], err: Errors) -> None:
    path = _SPEC.at("podCIDRs")
    read = [rules.cidr(cidr, path.index(i), err) for i, cidr in enumerate(found)]
    families = {None if each is None else each.version for each in read}
    if len(found) > 1 and (len(found) > 2 or families != {4, 6}):
        err.invalid(path, found, "may specify no more than one CIDR for each IP family")


def validate_update(new: Object, old: Object, err: Errors) -> None:
    """A pod range and a provider's ID are given once. Of the rest upstream looks at some twice."""
    spec, former = new.get("spec") or {}, old.get("spec") or {}
    _annotations(new, err)
    _amounts(new, err)
    _declared(new, err)
    addresses = dig(new, "status", "addresses", default=[])
    for i in rules.repeated((a.get("type"), a.get("address")) for a in addresses):
        err.duplicate(_STATUS.at("addresses").index(i), internal.whole(ADDRESS, addresses[i]))
    ranges, had = spec.get("podCIDRs") or [], former.get("podCIDRs") or []
    if had:
        changed = 1 if len(ranges) != len(had) else sum(a != b for a, b in zip(ranges, had, strict=True))
        for _ in range(changed):
            err.forbidden(_SPEC.at("podCIDRs"), 'node updates may not change podCIDR except from "" to valid')
    if former.get("providerID") and spec.get("providerID") != former["providerID"]:
        err.forbidden(_SPEC.at("providerID"), 'node updates may not change providerID except from "" to valid')
    taints(spec.get("taints") or [], _META.at("taints"), err)
    if (spec.get("externalID") or "") != (former.get("externalID") or ""):
        err.forbidden(_SPEC.at("externalID"), "may not be updated")


def notes_of(spec: Object) -> list[str]:
    ids = [EXTERNAL_ID] if spec.get("externalID") else []
    path = _SPEC.at("podCIDRs")
    return ids + notes.ranges((path.index(i), text) for i, text in enumerate(spec.get("podCIDRs") or ()))
