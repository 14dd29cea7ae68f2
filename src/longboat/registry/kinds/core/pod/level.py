"""Resources of a pod as a whole (KEP-2837)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from longboat.api.resources import ResourceContainer, requests
from longboat.machinery.objects import Object
from longboat.machinery.quantity import Quantity

SUPPORTED = ("cpu", "memory")
HUGE_PAGES = "hugepages-"


def supported(resource: str) -> bool:
    return resource in SUPPORTED or resource.startswith(HUGE_PAGES)


def requests_from_limits(spec: Object) -> None:
    """Pod-level requests that are not given: what the containers ask for together, else the pod-level limit."""
    resources = spec.get("resources")
    if not resources or not resources.get("limits"):
        return
    asked = dict(resources.get("requests") or {})
    containers, init = (
        msgspec.convert(spec.get(field) or [], list[ResourceContainer]) for field in ("containers", "initContainers")
    )
    for resource, amount in requests(containers, init).items():
        if supported(resource):
            asked.setdefault(resource, text(resource, amount))
    for resource, limit in resources["limits"].items():
        if supported(resource):
            asked.setdefault(resource, limit)
    if asked:
        resources["requests"] = asked


def text(resource: str, amount: int) -> str:
    """An amount of a resource as `api.resources` counts it: thousandths of cpu, or whole units."""
    if resource == "cpu":
        return str(Quantity(Decimal(amount) / 1000))
    return str(Quantity(Decimal(amount), "BinarySI"))
