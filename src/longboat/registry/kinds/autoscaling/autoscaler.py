"""HorizontalPodAutoscaler: as many replicas as there is work for."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
SOURCES = {"ContainerResource": "containerResource", "External": "external", "Object": "object", "Pods": "pods",
           "Resource": "resource"}  # fmt: skip
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
    if kind not in SOURCES:
        return "<unknown type>"
    target = dig(metric, SOURCES[kind], "target", default={})
    current = dig(status, SOURCES[kind], "current", default={})
    named = {"Resource": "name", "ContainerResource": "name"}.get(kind)
    prefix = f"{dig(metric, SOURCES[kind], named, default='')}: " if named else ""
    if target.get("averageValue") is not None:
        suffix = " (avg)" if kind in ("External", "Object") else ""
        return f"{prefix}{current.get('averageValue') or cells.UNKNOWN}/{target['averageValue']}{suffix}"
    if named:
        used, wanted = current.get("averageUtilization"), target.get("averageUtilization")
        shown = [f"{v}%" if v is not None else other for v, other in ((used, cells.UNKNOWN), (wanted, "<auto>"))]
        return f"{prefix}{'/'.join(shown)}"
    return f"{current.get('value') or cells.UNKNOWN}/{target.get('value') or ''}"


def targets(scaler: Object) -> str:
    metrics, statuses = dig(scaler, "spec", "metrics", default=[]), dig(scaler, "status", "currentMetrics", default=[])
    if not metrics:
        return cells.NONE
    shown = [_metric(m, statuses[i] if i < len(statuses) else None) for i, m in enumerate(metrics)]
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
        if (behavior := spec.get("behavior")) is not None:
            for field, wanted in (("scaleUp", SCALE_UP), ("scaleDown", SCALE_DOWN)):
                part = fill.part(behavior, field)
                for name, value in wanted.items():
                    if part.get(name) in (None, []):
                        part[name] = [dict(v) for v in value] if isinstance(value, list) else value

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
        if least is not None and least < 1:
            err.invalid(_SPEC.at("minReplicas"), least, "must be greater than or equal to 1")
        if most < 1:
            err.invalid(_SPEC.at("maxReplicas"), most, "must be greater than 0")
        elif least is not None and most < least:
            err.invalid(_SPEC.at("maxReplicas"), most, "must be greater than or equal to `minReplicas`")
        for field in ("kind", "name"):
            value = dig(spec, "scaleTargetRef", field, default="")
            rules.named(value, _SPEC.at("scaleTargetRef", field), err, names.path_segment)
        for i, metric in enumerate(spec.get("metrics") or ()):
            _check(metric, _SPEC.at("metrics").index(i), err)


def _check(metric: Object, path: Path, err: Errors) -> None:
    kind = metric.get("type") or ""
    if not kind:
        err.required(path.at("type"), "must specify a metric source type")
        return
    if kind not in SOURCES:
        err.not_supported(path.at("type"), kind, SOURCES)
        return
    if metric.get(SOURCES[kind]) is None:
        err.required(path.at(SOURCES[kind]), "must populate information for the given metric source")
        return
    target, at = dig(metric, SOURCES[kind], "target"), path.at(SOURCES[kind], "target")
    if not dig(target, "type"):
        err.required(at.at("type"), "must specify a metric target type")
    elif target["type"] not in ("AverageValue", "Utilization", "Value"):
        err.invalid(at.at("type"), target["type"], "must be either Utilization, Value, or AverageValue")
