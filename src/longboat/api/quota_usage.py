"""How much an object uses of what a ResourceQuota limits. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from longboat.api.amounts import Amounts, amounts, asked, most, of_pod, plus
from longboat.api.quota import ALSO_BY_NAME, CLAIMS, COMPUTE, HUGE_PAGES, OF_CLASS, PODS, REQUESTS, SERVICES, counted
from longboat.api.storage import BETA_CLASS
from longboat.machinery.objects import Object, dig, meta, parse_timestamp
from longboat.machinery.quantity import Quantity

ONE = Quantity(Decimal(1))
# What every container has to ask for where a quota limits it (a rule from before there were classes of service).
TO_BE_ASKED_FOR = frozenset(("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"))


def usage(kind: str, obj: Object, now: datetime) -> dict[str, Quantity]:
    if kind == PODS:
        return {counted(kind): ONE, **(_of_pod(obj) if _is_charged(obj, now) else {})}
    if kind == SERVICES:
        return {counted(kind): ONE, **_of_service(obj)}
    if kind == CLAIMS:
        return {counted(kind): ONE, **_of_claim(obj)}
    return dict.fromkeys((counted(kind), kind) if kind in ALSO_BY_NAME else (counted(kind),), ONE)


def unasked(pod: Object, names: Iterable[str]) -> str:
    """What containers have to ask for and do not, in upstream's words; "" where there is nothing."""
    missing: dict[str, set[str]] = {}
    required = TO_BE_ASKED_FOR.intersection(names)
    for part in ("containers", "initContainers"):
        for container in dig(pod, "spec", part, default=()) if required else ():
            has = _compute(asked(container, "requests"), asked(container, "limits"))
            for name in required - has.keys():
                missing.setdefault(name, set()).add(container.get("name") or "")
    told = (f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))
    return f"must specify {'; '.join(told)}" if missing else ""


def _is_charged(pod: Object, now: datetime) -> bool:
    """Not those that have ended, nor those that should long be gone: they must not keep others from starting."""
    if dig(pod, "status", "phase") in ("Failed", "Succeeded"):
        return False
    until, grace = meta(pod).get("deletionTimestamp"), meta(pod).get("deletionGracePeriodSeconds")
    return not until or grace is None or now <= parse_timestamp(until) + timedelta(seconds=grace)


def _of_pod(pod: Object) -> dict[str, Quantity]:
    spec = pod.get("spec") or {}
    statuses = {
        each.get("name"): each
        for part in ("containerStatuses", "initContainerStatuses")
        for each in dig(pod, "status", part, default=())
    }
    infeasible = any(
        c.get("type") == "PodResizePending" and c.get("reason") == "Infeasible"
        for c in dig(pod, "status", "conditions", default=())
    )
    counted = partial(_asked_or_held, statuses, infeasible)
    needed = {field: of_pod(spec, field, counted) for field in ("requests", "limits")}
    overhead = amounts(spec.get("overhead"))
    limits = plus(needed["limits"], {name: value for name, value in overhead.items() if needed["limits"].get(name)})
    return {"pods": ONE, **_compute(plus(needed["requests"], overhead), limits)}


def _asked_or_held(statuses: dict[str, Object], infeasible: bool, container: Object, field: str) -> Amounts:
    """While a container is resized, the greater of what it asks for and what it has; where its node can never give it
    what it asks for, what it has (KEP-1287)."""
    wanted = asked(container, field)
    status = statuses.get(container.get("name") or "")
    if status is None:
        return wanted
    wanted = asked(status, field) if infeasible else most(wanted, asked(status, field))
    return most(wanted, amounts(status.get("allocatedResources"))) if field == "requests" else wanted


def _compute(requests: Amounts, limits: Amounts) -> dict[str, Quantity]:
    """Requests and limits under the names that quotas have for them."""
    found: dict[str, Quantity] = {}
    for name, value in requests.items():
        if name in COMPUTE or name.startswith(HUGE_PAGES):
            found[name] = found[REQUESTS + name] = value
        elif "/" in name and "kubernetes.io/" not in name:
            found[REQUESTS + name] = value
    return found | {f"limits.{name}": limits[name] for name in COMPUTE if name in limits}


def _of_service(service: Object) -> dict[str, Quantity]:
    spec = service.get("spec") or {}
    kind, ports = spec.get("type"), spec.get("ports") or ()
    if kind == "LoadBalancer":
        if spec.get("allocateLoadBalancerNodePorts") is False:
            ports = [port for port in ports if port.get("nodePort")]
        return {"services": ONE, "services.nodeports": _number(len(ports)), "services.loadbalancers": ONE}
    nodes = len(ports) if kind == "NodePort" else 0
    return {"services": ONE, "services.nodeports": _number(nodes), "services.loadbalancers": _number(0)}


def _of_claim(claim: Object) -> dict[str, Quantity]:
    found = {"persistentvolumeclaims": ONE}
    spec = claim.get("spec") or {}
    if wanted := asked(spec, "requests").get("storage"):
        given = amounts(dig(claim, "status", "allocatedResources")).get("storage", wanted)
        size = max(wanted, given)
        whole = size.amount == size.amount.to_integral_value()
        found["requests.storage"] = size if whole else Quantity(Decimal(size.value), size.format)
    if name := dig(claim, "metadata", "annotations", BETA_CLASS) or spec.get("storageClassName"):
        found |= {f"{name}{OF_CLASS}{resource}": value for resource, value in found.items()}
    return found


def _number(count: int) -> Quantity:
    return Quantity(Decimal(count))
