"""One autoscaler, stored as v2, shown as either: nothing is lost on the way."""

from __future__ import annotations

from typing import Any

from longboat.registry.kinds.autoscaling.autoscaler_v1 import METRICS, from_v2, to_v2

CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}
REF = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}


def v2(*metrics: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2", "metadata": {"name": "h"},
        "spec": {"scaleTargetRef": REF, "minReplicas": 1, "maxReplicas": 3, "metrics": list(metrics), **spec},
        "status": {"currentReplicas": 0, "desiredReplicas": 0},
    }  # fmt: skip


def test_cpu_is_a_field_of_v1() -> None:
    shown = from_v2(v2(CPU))
    assert shown["spec"] == {
        "scaleTargetRef": REF, "minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 50,
    }  # fmt: skip
    assert "annotations" not in shown["metadata"]
    assert to_v2(shown) == v2(CPU)


def test_the_rest_travels_in_annotations() -> None:
    whole = v2(CPU, MEMORY, behavior={"scaleDown": {"selectPolicy": "Max"}})
    whole["status"]["conditions"] = [{"type": "AbleToScale", "status": "True"}]
    shown = from_v2(whole)
    assert METRICS in shown["metadata"]["annotations"] and "metrics" not in shown["spec"]
    assert to_v2(shown) == whole


def test_a_broken_annotation_says_nothing() -> None:
    shown = from_v2(v2(CPU))
    shown["metadata"]["annotations"] = {METRICS: "{not json", "mine": "kept"}
    back = to_v2(shown)
    assert back["spec"]["metrics"] == [CPU]
    assert back["metadata"]["annotations"] == {"mine": "kept"}
