"""What whoever writes a service is warned of."""

from __future__ import annotations

from longboat.machinery.fieldpath import Path
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import notes
from longboat.registry.kinds.core.service import needs, validation

_SPEC = Path("spec")
EXTERNAL_IPS = "spec.externalIPs is deprecated and may no longer be implemented in some clusters"


def warnings(service: Object) -> list[str]:
    spec = service.get("spec") or {}
    external, balancer = spec.get("externalIPs") or [], spec.get("loadBalancerIP")
    kind, name = spec.get("type"), needs.EXTERNAL_NAME
    found: list[str] = []
    if validation.HINTS in dig(service, "metadata", "annotations", default={}):
        found.append(f"annotation {validation.HINTS} is deprecated, please use {validation.MODE} instead")
    if spec.get("clusterIP") not in (None, "", needs.HEADLESS):
        found += _of_addresses(spec.get("clusterIPs") or [], _SPEC.at("clusterIPs"))
    if kind == needs.CLUSTER_IP and spec.get("clusterIP") == needs.HEADLESS:
        found += _of_headless(spec)
    if external:
        found.append(EXTERNAL_IPS)
    found += _of_addresses(external, _SPEC.at("externalIPs"))
    if balancer:
        found += notes.addresses([(_SPEC.at("loadBalancerIP"), balancer)])
    sources = _SPEC.at("loadBalancerSourceRanges")
    found += notes.ranges((sources.index(i), text) for i, text in enumerate(spec.get("loadBalancerSourceRanges") or ()))
    if kind == name and external:
        found.append(f'spec.externalIPs is ignored when spec.type is "{name}"')
    if kind != name and spec.get("externalName"):
        found.append(f'spec.externalName is ignored when spec.type is not "{name}"')
    if spec.get("trafficDistribution") == "PreferClose":
        found.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return found


def of_status(service: Object) -> list[str]:
    path = Path("status", "loadBalancer", "ingress")
    points = dig(service, "status", "loadBalancer", "ingress", default=())
    return notes.addresses((path.index(i), point.get("ip") or "") for i, point in enumerate(points))


def _of_addresses(values: list[str], path: Path) -> list[str]:
    return notes.addresses((path.index(i), value) for i, value in enumerate(values))


def _of_headless(spec: Object) -> list[str]:
    ignored = (
        ("spec.loadBalancerIP", bool(spec.get("loadBalancerIP"))),
        ("spec.externalIPs", bool(spec.get("externalIPs"))),
        ("spec.SessionAffinity", spec.get("sessionAffinity") != "None"),
    )
    return [f"{field} is ignored for headless services" for field, given in ignored if given]
