"""HorizontalPodAutoscaler v1: a view of v2 that knows CPU alone. The rest travels in annotations, as upstream's."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import Column
from longboat.registry.kinds.autoscaling import autoscaler

PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, BEHAVIOR, CURRENT, CONDITIONS = (
    f"{PREFIX}{name}" for name in ("metrics", "behavior", "current-metrics", "conditions")
)
_CPU = "targetCPUUtilizationPercentage"


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _read(text: str | None) -> object:
    """What an annotation holds; a broken one holds nothing (anybody may write annotations)."""
    try:
        return msgspec.json.decode(text) if text else None
    except msgspec.DecodeError:
        return None


def _is_cpu(metric: Object) -> bool:
    target = dig(metric, "resource", "target", default={})
    return dig(metric, "resource", "name") == "cpu" and target.get("averageUtilization") is not None


def from_v2(obj: Object) -> Object:
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    notes: dict[str, str] = {}
    metrics = spec.pop("metrics", None) or []
    cpu = next((m for m in metrics if _is_cpu(m)), None)
    if cpu is not None:
        spec[_CPU] = cpu["resource"]["target"]["averageUtilization"]
    for note, value in (
        (METRICS, [m for m in metrics if m is not cpu]),
        (BEHAVIOR, spec.pop("behavior", None)),
        (CONDITIONS, status.pop("conditions", None)),
    ):
        if value:
            notes[note] = _text(value)
    current = status.pop("currentMetrics", None) or []
    if current:
        notes[CURRENT] = _text(current)
    used = next((m for m in current if dig(m, "resource", "name") == "cpu"), None)
    if (percent := dig(used, "resource", "current", "averageUtilization")) is not None:
        status["currentCPUUtilizationPercentage"] = percent
    return _rebuilt(obj, kinds.HPA_V1.api_version, spec, status, notes)


def to_v2(obj: Object) -> Object:
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    found = dig(obj, "metadata", "annotations", default={})
    metrics = _read(found.get(METRICS))
    listed = [m for m in metrics if isinstance(m, dict)] if isinstance(metrics, list) else []
    if (percent := spec.pop(_CPU, None)) is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        listed.insert(0, {"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if listed:
        spec["metrics"] = listed
    if isinstance(behavior := _read(found.get(BEHAVIOR)), dict):
        spec["behavior"] = behavior
    status.pop("currentCPUUtilizationPercentage", None)
    for note, field in ((CURRENT, "currentMetrics"), (CONDITIONS, "conditions")):
        if isinstance(value := _read(found.get(note)), list):
            status[field] = value
    return _rebuilt(obj, kinds.HPA.api_version, spec, status, {})


def _rebuilt(obj: Object, version: str, spec: Object, status: Object, notes: dict[str, str]) -> Object:
    meta = dict(obj.get("metadata") or {})
    kept = {
        k: v for k, v in (meta.get("annotations") or {}).items() if k not in (METRICS, BEHAVIOR, CURRENT, CONDITIONS)
    }
    meta["annotations"] = kept | notes
    if not meta["annotations"]:
        del meta["annotations"]
    return {"kind": "HorizontalPodAutoscaler", "apiVersion": version, "metadata": meta, "spec": spec, "status": status}


class HorizontalPodAutoscalerV1(autoscaler.HorizontalPodAutoscaler):
    kind = kinds.HPA_V1
    columns: ClassVar[tuple[Column, ...]] = tuple(
        Column(c.name, c.kind, c.value if c.timed else (lambda obj, value=c.value: value(to_v2(obj))), c.priority,
               c.description, c.format, c.timed)
        for c in autoscaler.HorizontalPodAutoscaler.columns
    )  # fmt: skip
    hub = kinds.HPA

    def to_hub(self, obj: Object) -> Object:
        return to_v2(obj)

    def from_hub(self, obj: Object) -> Object:
        return from_v2(obj)

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if spec.get("minReplicas") is None:
            spec["minReplicas"] = 1
        if spec.get(_CPU) is None and not dig(obj, "metadata", "annotations", METRICS):
            spec[_CPU] = 80

    def validate_create(self, new: Object, err: Errors) -> None:
        super().validate_create(to_v2(new), err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        super().validate_update(to_v2(new), to_v2(old), err)
