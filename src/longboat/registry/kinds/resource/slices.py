"""The devices that a driver has on a node, or on several (resource.k8s.io/v1, ResourceSlice)."""

from __future__ import annotations

import re
from typing import Any

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types import internal
from longboat.registry.kinds import rules
from longboat.registry.kinds.core.pod import scheduling
from longboat.registry.kinds.resource import capacity, checks

API = "io.k8s.api.resource.v1."
MOST_DEVICES, MOST_ODD_DEVICES = 128, 64  # odd: with taints, or that consume counters
MOST_COUNTER_SETS, MOST_COUNTERS = 8, 32
MOST_PROPERTIES = 32  # attributes and capacities of a device
MOST_CONSUMED, MOST_TAINTS, MOST_CONDITIONS = 2, 16, 4
LONGEST_KEY = checks.LONGEST_DOMAIN + 1 + checks.LONGEST_ID
LONGEST_COUNTER = 63
EFFECTS = ("NoExecute", "NoSchedule", "None")
PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_NUMBER = r"(0|[1-9][0-9]*)"
_BEFORE = r"(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_BEFORE}(\.{_BEFORE})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?")


def spec(found: Object, old: Object | None, path: Path, err: Errors) -> None:
    """A ResourceSliceSpec; `old` is what it was."""
    driver, pool = found.get("driver") or "", found.get("pool") or {}
    rules.driver_name(driver, path.at("driver"), err)
    _pool(pool, path.at("pool"), err)
    if old is not None:
        former = (old.get("pool") or {}).get("name") or ""
        for value, before, at in (
            (pool.get("name") or "", former, path.at("pool", "name")),
            (driver, old.get("driver") or "", path.at("driver")),
            (found.get("nodeName"), old.get("nodeName"), path.at("nodeName")),
        ):
            if value != before:
                err.invalid(at, value, rules.IMMUTABLE)
    _where(found, path, err)
    devices, counters = found.get("devices"), found.get("sharedCounters")
    if devices is not None and counters is not None:
        err.invalid(path, "", "only one of `sharedCounters` or `devices` is allowed")
    each_has_place = bool(found.get("perDeviceNodeSelection"))
    before = {device.get("name"): device for device in (old or {}).get("devices") or ()}
    odd = any(device.get("taints") or device.get("consumesCounters") for device in devices or ())
    checks.each_once(
        devices or [], MOST_ODD_DEVICES if odd else MOST_DEVICES,
        lambda device, at, err: _device(device, before.get(device.get("name")), each_has_place, at, err),
        _name, path.at("devices"), err,
    )  # fmt: skip
    checks.each_once(counters or [], MOST_COUNTER_SETS, _counter_set, _name, path.at("sharedCounters"), err)


def _name(found: Object) -> str:
    return str(found.get("name") or "")


def _pool(found: Object, path: Path, err: Errors) -> None:
    checks.pool(found.get("name") or "", path.at("name"), err)
    slices, generation = found.get("resourceSliceCount") or 0, found.get("generation") or 0
    if slices <= 0:
        err.invalid(path.at("resourceSliceCount"), slices, "must be greater than zero")
    if generation < 0:
        err.invalid(path.at("generation"), generation, "must be greater than or equal to zero")


def _where(found: Object, path: Path, err: Errors) -> None:
    """One of four ways to say which nodes have the devices."""
    said = []
    if (name := found.get("nodeName")) is not None:
        if name:
            said.append("nodeName")
            err.extend(path.at("nodeName"), names.dns1123_subdomain(name), name)
        else:
            err.invalid(path.at("nodeName"), name, "must be either unset or set to a non-empty string")
    if (selector := found.get("nodeSelector")) is not None:
        said.append("nodeSelector")
        scheduling.node_selector(selector, path.at("nodeSelector"), err)
        if len(terms := selector.get("nodeSelectorTerms") or []) != 1:
            shown = [internal.whole("io.k8s.api.core.v1.NodeSelectorTerm", term) for term in terms]
            at = path.at("nodeSelector", "nodeSelectorTerms")
            err.invalid(at, shown or None, "must have exactly one node selector term")
    for field in ("allNodes", "perDeviceNodeSelection"):
        _set_or_unset(found.get(field), field, said, path, err)
    ways = ", ".join(f"`{way}`" for way in PLACES)
    if not said:
        err.required(path, f"exactly one of {ways} is required")
    elif len(said) > 1:
        err.invalid(path, _listed(said), f"exactly one of {ways} is required, but multiple fields are set")


def _set_or_unset(value: bool | None, field: str, said: list[str], path: Path, err: Errors) -> None:
    if value:
        said.append(field)
    elif value is not None:
        err.invalid(path.at(field), value, "must be either unset or set to true")


def _listed(fields: list[str]) -> str:
    return f"{{{', '.join(f'`{field}`' for field in fields)}}}"


def _device(device: Object, old: Object | None, has_place: bool, path: Path, err: Errors) -> None:
    checks.label(device.get("name"), path.at("name"), err)
    attributes, capacities = device.get("attributes") or {}, device.get("capacity") or {}
    if (count := len(attributes) + len(capacities)) > MOST_PROPERTIES:
        why = f"the total number of attributes and capacities must not exceed {MOST_PROPERTIES}"
        err.invalid(path, count, why)
    checks.each_value(attributes, -1, checks.qualified, _attribute, LONGEST_KEY, path.at("attributes"), err)
    shared = capacity.shared if device.get("allowMultipleAllocations") else capacity.whole
    checks.each_value(capacities, -1, checks.qualified, shared, LONGEST_KEY, path.at("capacity"), err)
    taints = device.get("taints") or []
    if old is None or taints != (old.get("taints") or []):
        checks.each(taints, MOST_TAINTS, _taint, path.at("taints"), err)
    checks.each_once(
        device.get("consumesCounters") or [], MOST_CONSUMED, _consumption, lambda found: found.get("counterSet") or "",
        path.at("consumesCounters"), err,
    )  # fmt: skip
    _place(device, has_place, path, err)
    binding(device, path, err)


def _place(device: Object, has_place: bool, path: Path, err: Errors) -> None:
    """Where a single device is: to be said of each, where the slice says that of none."""
    if not has_place:
        if any(device.get(field) is not None for field in ("nodeName", "nodeSelector", "allNodes")):
            why = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true"
            err.invalid(path, None, f"{why} in the ResourceSlice spec")
        return
    said = []
    if (name := device.get("nodeName")) is not None:
        if name:
            said.append("nodeName")
            err.extend(path.at("nodeName"), names.dns1123_subdomain(name), name)
        else:
            err.invalid(path.at("nodeName"), name, "must not be empty")
    if (selector := device.get("nodeSelector")) is not None:
        said.append("nodeSelector")
        scheduling.node_selector(selector, path.at("nodeSelector"), err)
    _set_or_unset(device.get("allNodes"), "allNodes", said, path, err)
    why = (
        "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to "
    )
    why += "true in the ResourceSlice spec"
    if not said:
        err.required(path, why)
    elif len(said) > 1:
        err.invalid(path, _listed(said), why)


def _attribute(found: Object, path: Path, err: Errors) -> None:
    said = [field for field in ("bool", "int", "string", "version") if found.get(field) is not None]
    if len((text := found.get("string")) or "") > checks.LONGEST_ATTRIBUTE:
        err.too_long(path.at("string"), checks.LONGEST_ATTRIBUTE)
    if (text := found.get("version")) is not None:
        if not _SEMVER.fullmatch(text):
            err.invalid(path.at("version"), text, "must be a string compatible with semver.org spec 2.0.0")
        if len(text) > checks.LONGEST_ATTRIBUTE:
            err.too_long(path.at("version"), checks.LONGEST_ATTRIBUTE)
    if len(said) != 1:
        err.invalid(path, _shown(found) if said else "", "exactly one value must be specified")


def _shown(attribute: Object) -> Any:
    kinds = {"Int": "int", "Bool": "bool", "String": "string", "Version": "version"}
    single = {f"{name}Value": attribute.get(field) for name, field in kinds.items()}
    return single | {f"{name}Values": None for name in kinds}


def _taint(found: Object, path: Path, err: Errors) -> None:
    rules.label_name(found.get("key") or "", path.at("key"), err)
    if value := found.get("value"):
        err.extend(path.at("value"), names.label_value(value), value)
    rules.one_of(found.get("effect"), EFFECTS, path.at("effect"), err)


def _counter_set(found: Object, path: Path, err: Errors) -> None:
    _counters(found, "name", path, err)


def _consumption(found: Object, path: Path, err: Errors) -> None:
    _counters(found, "counterSet", path, err)


def _counters(found: Object, field: str, path: Path, err: Errors) -> None:
    rules.named(found.get(field) or "", path.at(field), err, names.dns1123_label)
    counters, at = found.get("counters") or {}, path.at("counters")
    if not counters:
        err.required(at)
    checks.each_value(counters, MOST_COUNTERS, checks.label, None, LONGEST_COUNTER, at, err)


def binding(found: Object, path: Path, err: Errors) -> None:
    """What must be so before a pod is bound to a device, and what keeps it from being."""
    conditions, failures = found.get("bindingConditions") or [], found.get("bindingFailureConditions") or []
    at, failed_at = path.at("bindingConditions"), path.at("bindingFailureConditions")
    for values, place in ((conditions, at), (failures, failed_at)):
        checks.each_string(values, MOST_CONDITIONS, rules.label_name, place, err, once=False)
    for i in rules.repeated(conditions):
        err.duplicate(at.index(i), conditions[i])
    repeated, wanted = frozenset(rules.repeated(failures)), frozenset(conditions)
    for i, failure in enumerate(failures):
        if i in repeated:
            err.duplicate(failed_at.index(i), failure)
        if failure in wanted:
            why = "bindingFailureConditions must not overlap with bindingConditions"
            err.invalid(failed_at.index(i), failure, why)
    if failures and not conditions:
        err.invalid(
            at, found.get("bindingConditions"), "bindingConditions are required to use bindingFailureConditions"
        )
    if conditions and not failures:
        given = found.get("bindingFailureConditions")
        err.invalid(failed_at, given, "bindingFailureConditions are required to use bindingConditions")
