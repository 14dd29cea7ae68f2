"""Quality of service (core/v1): how a pod fares when its node runs short, read off what its containers ask for."""

from __future__ import annotations

from longboat.api.resources import Amounts, add, amounts
from longboat.machinery.objects import Object

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
COMPUTE = ("cpu", "memory")


def qos_class(spec: Object) -> str:
    """The class of a pod with this spec: Guaranteed where every limit is there and asked for in full, BestEffort where
    nothing is asked for at all. Pod-level resources, where given, decide alone."""
    pod_level = spec.get("resources") or {}
    if _compute(pod_level.get("requests")) or _compute(pod_level.get("limits")):
        parts = [pod_level]
    else:
        containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
        parts = [container.get("resources") or {} for container in containers]
    requests: Amounts = {}
    limits: Amounts = {}
    all_limited = True
    for part in parts:
        limited = _compute(part.get("limits"))
        add(requests, _compute(part.get("requests")))
        add(limits, limited)
        all_limited = all_limited and len(limited) == len(COMPUTE)
    if not requests and not limits:
        return BEST_EFFORT
    if all_limited and requests == limits:
        return GUARANTEED
    return BURSTABLE


def _compute(listed: dict[str, str] | None) -> Amounts:
    """cpu and memory, as far as they are more than nothing."""
    return {name: value for name, value in amounts(listed or {}).items() if name in COMPUTE and value > 0}
