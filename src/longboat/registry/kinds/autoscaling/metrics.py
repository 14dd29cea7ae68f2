"""What metrics an autoscaler may follow, and towards what (autoscaling/v2, MetricSpec)."""

from __future__ import annotations

from collections.abc import Callable

from longboat.machinery import names, quantity
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules
from longboat.registry.kinds.core import resources

TARGETS = ("Utilization", "Value", "AverageValue")
POSITIVE = "must be greater than 0"
NO_VALUE = "must set either a target raw value or a target utilization"
BOTH_VALUES = "may not set both a target raw value and a target utilization"


def group_version_error(version: str, *, core: bool) -> str:
    """What is wrong with an apiVersion that refers to something; `core`: it may be of the group without a name."""
    if version.count("/") > 1:
        return f"unexpected GroupVersion string: {version}"
    return "" if core or (version.partition("/")[0] and "/" in version) else "apiVersion must specify API group"


def reference(ref: Object, path: Path, err: Errors, *, core: bool, known: bool = False) -> None:
    """A CrossVersionObjectReference; `known`: its apiVersion was accepted before, and is not looked at."""
    for field in ("kind", "name"):
        rules.named(ref.get(field) or "", path.at(field), err, names.path_segment)
    version = ref.get("apiVersion") or ""
    if not known and (why := group_version_error(version, core=core)):
        err.invalid(path.at("apiVersion"), version, why)


def metric(found: Object, path: Path, err: Errors, *, known: bool) -> None:
    """One metric: it says of which type it is, and has the source of that type and no other.

    Of several sources the first in upstream's order is judged, the others are forbidden. `known`: the apiVersions of
    what metrics describe are not looked at.
    """
    kind = found.get("type") or ""
    if not kind:
        err.required(path.at("type"), "must specify a metric source type")
    if kind not in SOURCES:
        err.not_supported(path.at("type"), kind, SOURCES)
    present = [field for field in JUDGES if found.get(field) is not None]
    if present:
        JUDGES[present[0]](found[present[0]], path.at(present[0]), err, known)
    if kind not in SOURCES:
        err.not_supported(path.at("type"), kind, SOURCES)
    elif SOURCES[kind] not in present:
        err.required(path.at(SOURCES[kind]), "must populate information for the given metric source")
    if len(present) > 1:
        for field in present:
            if field != SOURCES.get(kind):
                err.forbidden(path.at(field), "must populate the given metric source only")


def _of_object(source: Object, path: Path, err: Errors, known: bool) -> None:
    reference(source.get("describedObject") or {}, path.at("describedObject"), err, core=True, known=known)
    found = _identified(source, path, err)
    if found.get("value") is None and found.get("averageValue") is None:
        err.required(path.at("target", "averageValue"), "must set either a target value or averageValue")


def _external(source: Object, path: Path, err: Errors, known: bool) -> None:
    found, at = _identified(source, path, err), path.at("target")
    single, average = found.get("value") is not None, found.get("averageValue") is not None
    if not (single or average):
        err.required(at.at("averageValue"), "must set either a target value for metric or a per-pod target")
    if single and average:
        err.forbidden(at.at("value"), "may not set both a target value for metric and a per-pod target")


def _of_pods(source: Object, path: Path, err: Errors, known: bool) -> None:
    if _identified(source, path, err).get("averageValue") is None:
        err.required(path.at("target", "averageValue"), "must specify a positive target averageValue")


def _resource(source: Object, path: Path, err: Errors, known: bool) -> None:
    if not source.get("name"):
        err.required(path.at("name"), "must specify a resource name")
    _raw_or_percent(source, path, err)


def _container_resource(source: Object, path: Path, err: Errors, known: bool) -> None:
    name, container = source.get("name") or "", source.get("container") or ""
    if not name:
        err.required(path.at("name"), "must specify a resource name")
    else:
        resources.container_name(name, path.at("name"), err)
    if not container:
        err.required(path.at("container"), "must specify a container")
    else:
        err.extend(path.at("container"), names.path_segment(container), container)
    _raw_or_percent(source, path, err)


def _identified(source: Object, path: Path, err: Errors) -> Object:
    """A metric that is found by its name, and its target."""
    name = (source.get("metric") or {}).get("name") or ""
    if not name:
        err.required(path.at("metric", "name"), "must specify a metric name")
    else:
        err.extend(path.at("metric", "name"), names.path_segment(name), name)
    return _target(source, path.at("target"), err)


def _raw_or_percent(source: Object, path: Path, err: Errors) -> None:
    found, at = _target(source, path.at("target"), err), path.at("target")
    percent, raw = found.get("averageUtilization") is not None, found.get("averageValue") is not None
    if not (percent or raw):
        err.required(at.at("averageUtilization"), NO_VALUE)
    if percent and raw:
        err.forbidden(at.at("averageValue"), BOTH_VALUES)


def _target(source: Object, path: Path, err: Errors) -> Object:
    found: Object = source.get("target") or {}
    kind = found.get("type") or ""
    if not kind:
        err.required(path.at("type"), "must specify a metric target type")
    if kind not in TARGETS:
        err.invalid(path.at("type"), kind, "must be either Utilization, Value, or AverageValue")
    for field in ("value", "averageValue"):
        if (text := found.get(field)) is not None and (amount := quantity.parse(text)).amount <= 0:
            err.invalid(path.at(field), str(amount), "must be positive")
    percent = found.get("averageUtilization")
    if percent is not None and percent < 1:
        err.invalid(path.at("averageUtilization"), percent, POSITIVE)
    return found


SOURCES = {"ContainerResource": "containerResource", "External": "external", "Object": "object", "Pods": "pods",
           "Resource": "resource"}  # fmt: skip
JUDGES: dict[str, Callable[[Object, Path, Errors, bool], None]] = {
    "object": _of_object,
    "external": _external,
    "pods": _of_pods,
    "resource": _resource,
    "containerResource": _container_resource,
}
