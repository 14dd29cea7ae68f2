"""Defaults and validation of nodes."""

from __future__ import annotations

from longboat.machinery.objects import Object
from longboat.registry.kinds import fill


def default(obj: Object) -> None:
    """Allocatable is all there is, unless the node says otherwise; podCIDR is the first of podCIDRs."""
    spec, status = fill.part(obj, "spec"), obj.get("status") or {}
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif spec.get("podCIDRs") and not spec.get("podCIDR"):
        spec["podCIDR"] = spec["podCIDRs"][0]
