"""HorizontalPodAutoscaler: as many replicas as there is work for."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.machinery.types.emptied import as_sent
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.kinds.autoscaling import behavior, metrics
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
SCALE_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
SCALE_DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def _metric(metric: Object, status: Object | None) -> str:
    kind = metric.get("type") or ""
    if kind not in metrics.SOURCES:
        return "<unknown type>"
    target = dig(metric, metrics.SOURCES[kind], "target", default={})
    current = dig(status, metrics.SOURCES[kind], "current", default={})
    named = {"Resource": "name", "ContainerResource": "name"}.get(kind)
    prefix = f"{dig(metric, metrics.SOURCES[kind], named, default='')}: " if named else ""
    if target.get("averageValue") is not None:
        suffix = " (avg)" if kind in ("External", "Object") else ""
        return f"{prefix}{current.get('averageValue') or cells.UNKNOWN}/{target['averageValue']}{suffix}"
    if named:
        used, wanted = current.get("averageUtilization"), target.get("averageUtilization")
        shown = [f"{v}%" if v is not None else other for v, other in ((used, cells.UNKNOWN), (wanted, "<auto>"))]
        return f"{prefix}{'/'.join(shown)}"
    return f"{current.get('value') or cells.UNKNOWN}/{target.get('value') or ''}"


def targets(scaler: Object) -> str:
    found, statuses = dig(scaler, "spec", "metrics", default=[]), dig(scaler, "status", "currentMetrics", default=[])
    if not found:
        return cells.NONE
    shown = [_metric(m, statuses[i] if i < len(statuses) else None) for i, m in enumerate(found)]
    joined = ", ".join(shown[:2])
    return f"{joined} + {len(shown) - 2} more..." if len(shown) > 2 else joined


def _reference(scaler: Object) -> str:
    ref = dig(scaler, "spec", "scaleTargetRef", default={})
    return f"{ref.get('kind') or ''}/{ref.get('name') or ''}"


class HorizontalPodAutoscaler(Strategy):
    kind = kinds.HPA
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Reference", str, _reference, description="What is scaled."),
        Column("Targets", str, targets, description="How much there is to do, and how much should be."),
        Column("MinPods", str, lambda scaler: str(dig(scaler, "spec", "minReplicas", default=cells.UNSET)),
               description="No fewer than these."),
        Column("MaxPods", int, cells.at("spec.maxReplicas", 0), description="No more than these."),
        Column("Replicas", int, cells.at("status.currentReplicas", 0), description="How many there are."),
        AGE,
    )  # fmt: skip
    has_status = True
    generation = False

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        fill.absent(spec, "minReplicas", 1)
        if not spec.get("metrics"):
            target = {"type": "Utilization", "averageUtilization": 80}
            spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
        if (limits := spec.get("behavior")) is not None:
            for field, wanted in (("scaleUp", SCALE_UP), ("scaleDown", SCALE_DOWN)):
                part = fill.part(limits, field)
                for name, value in wanted.items():
                    if as_sent(part, name) is None:
                        part[name] = [dict(v) for v in value] if isinstance(value, list) else value

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate_create(self, new: Object, err: Errors) -> None:
        _spec(new.get("spec") or {}, None, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        _spec(new.get("spec") or {}, old.get("spec") or {}, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        for field in ("currentReplicas", "desiredReplicas"):
            rules.not_negative(dig(new, "status", field), Path("status", field), err)


def _spec(spec: Object, old: Object | None, err: Errors) -> None:
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    lowest = 0 if old is not None and old.get("minReplicas") == 0 else 1  # HPAScaleToZero is off
    if least is not None and least < lowest:
        err.invalid(_SPEC.at("minReplicas"), least, f"must be greater than or equal to {lowest}")
    if most == 0:
        err.required(_SPEC.at("maxReplicas"), "must be set and greater than 0")
    elif most < 1:
        err.invalid(_SPEC.at("maxReplicas"), most, "must be greater than or equal to 1")
    if least is not None and most < least:
        err.invalid(_SPEC.at("maxReplicas"), most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    known = old is not None and _type(old.get("scaleTargetRef") or {}) == _type(target)
    core = target.get("kind") == "ReplicationController"  # the only one of the core group that can be scaled
    metrics.reference(target, _SPEC.at("scaleTargetRef"), err, core=core and not known, known=known)
    described = old is not None and any(map(_misdescribed, old.get("metrics") or ()))
    found, path = spec.get("metrics") or [], _SPEC.at("metrics")
    for i, metric in enumerate(found):
        metrics.metric(metric, path.index(i), err, known=described)
    if least == 0 and not any(metric.get("type") in ("Object", "External") for metric in found):
        why = "must specify at least one Object or External metric to support scaling to zero replicas"
        err.forbidden(path, why)
    if (found_behavior := spec.get("behavior")) is not None:
        behavior.validate(found_behavior, _SPEC.at("behavior"), err)


def _type(ref: Object) -> tuple[str, str]:
    return ref.get("apiVersion") or "", ref.get("kind") or ""


def _misdescribed(metric: Object) -> bool:
    """Whether a metric was accepted though it says what it describes in a version that is none."""
    version = dig(metric, "object", "describedObject", "apiVersion") or ""
    return metric.get("type") == "Object" and bool(metrics.group_version_error(version, core=True))
