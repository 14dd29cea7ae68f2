"""Whether an APIService can be used, in upstream's words (kube-aggregator, status controllers). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from longboat.machinery.fieldpath import quoted
from longboat.machinery.objects import Object, dig, timestamp

AVAILABLE = "Available"


class Verdict(NamedTuple):
    """The condition Available, without its time."""

    status: str
    reason: str
    message: str


LOCAL = Verdict("True", "Local", "Local APIServices are always available")
PASSED = Verdict("True", "Passed", "all checks passed")


def failed(why: str) -> Verdict:
    """The extension server does not answer as it should."""
    return Verdict("False", "FailedDiscoveryCheck", why)


def of_service(wanted: Object, service: Object | None, slices: Iterable[Object]) -> Verdict | None:
    """What stands against it before it is asked; None for nothing. `wanted`: the APIService's spec.service; `slices`:
    the Service's EndpointSlices."""
    name, namespace, number = wanted["name"], wanted["namespace"], wanted.get("port") or 443
    named = f"service/{name} in {quoted(namespace)}"
    if service is None:
        return Verdict("False", "ServiceNotFound", f"{named} is not present")
    if (dig(service, "spec", "type", default="") or "ClusterIP") != "ClusterIP":
        return None
    port = port_name(service, number)
    if port is None:
        return Verdict("False", "ServicePortError", f"{named} is not listening on port {number}")
    found = list(slices)
    if not found:
        return Verdict("False", "EndpointsNotFound", f"cannot find endpointslices for {named}")
    if not any(_ready(each, port) for each in found):
        why = f"endpointslices for {named} have no addresses with port name {quoted(port)}"
        return Verdict("False", "MissingEndpoints", why)
    return None


def port_name(service: Object, number: int) -> str | None:
    """The name of the Service's port of this number, "" for one without; None where it has no such port."""
    ports = dig(service, "spec", "ports", default=None) or ()
    return next((port.get("name") or "" for port in ports if port.get("port") == number), None)


def _ready(found: Object, port: str) -> bool:
    return any(
        dig(endpoint, "conditions", "ready", default=None) is not False for endpoint in found.get("endpoints") or ()
    ) and any((each.get("name") or "") == port and each.get("port") for each in found.get("ports") or ())


def condition(api_service: Object) -> Object | None:
    conditions = dig(api_service, "status", "conditions", default=None) or ()
    return next((each for each in conditions if each.get("type") == AVAILABLE), None)


def available(api_service: Object) -> bool:
    found = condition(api_service)
    return found is not None and found.get("status") == "True"


def says(api_service: Object, verdict: Verdict) -> bool:
    found = condition(api_service) or {}
    return (found.get("status"), found.get("reason") or "", found.get("message") or "") == verdict


def settled(api_service: Object, verdict: Verdict, now: datetime) -> Object:
    """The status with this verdict. The time moves with the condition's status only."""
    status = api_service.get("status") or {}
    made: Object = {
        "type": AVAILABLE, "status": verdict.status, "lastTransitionTime": timestamp(now),
        "reason": verdict.reason, "message": verdict.message,
    }  # fmt: skip
    conditions = list(status.get("conditions") or ())
    for index, each in enumerate(conditions):
        if each.get("type") == AVAILABLE:
            if each.get("status") == verdict.status and each.get("lastTransitionTime"):
                made["lastTransitionTime"] = each["lastTransitionTime"]
            conditions[index] = made
            break
    else:
        conditions.append(made)
    return {**status, "conditions": conditions}
