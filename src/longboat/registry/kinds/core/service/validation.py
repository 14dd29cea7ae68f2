"""Validation of services."""

from __future__ import annotations

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.types import internal
from longboat.registry.kinds import rules
from longboat.registry.kinds.core import addresses
from longboat.registry.kinds.core.pod.containers import PROTOCOLS
from longboat.registry.kinds.core.service import cluster_ips, needs

AFFINITIES = ("ClientIP", "None")
LONGEST_AFFINITY = 86400
TRAFFIC = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
OF_BALANCERS = "may only be used when `type` is 'LoadBalancer'"
OF_CLIENT_IP = "when session affinity type is ClientIP"
HINTS, MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
PORT = "io.k8s.api.core.v1.ServicePort"

_SPEC = Path("spec")
_NOTES = Path("metadata", "annotations")


def validate(service: Object, old: Object | None, err: Errors) -> None:
    """`old` may have addresses and ranges that older versions took."""
    spec, former = service.get("spec") or {}, (old or {}).get("spec") or {}
    notes = dig(service, "metadata", "annotations", default={})
    if HINTS in notes and MODE in notes and notes[HINTS] != notes[MODE]:
        err.invalid(_NOTES.key(MODE), notes[MODE], f"must match annotations[{HINTS}] when both are specified")
    kind, headless = spec.get("type"), needs.headless(spec)
    if not spec.get("ports") and not headless and kind != needs.EXTERNAL_NAME:
        err.required(_SPEC.at("ports"))
    if headless and kind in (needs.LOAD_BALANCER, needs.NODE_PORT):
        why = f"may not be set to 'None' for {kind} services"
        err.invalid(_SPEC.at("clusterIPs").index(0), needs.HEADLESS, why)
    if kind == needs.EXTERNAL_NAME:
        _external_name(spec, err)
    _ports(spec.get("ports") or [], err)
    rules.labels(spec.get("selector"), _SPEC.at("selector"), err)
    _affinity(spec, err)
    cluster_ips.validate(spec, former, err)
    for i, ip in enumerate(spec.get("externalIPs") or ()):
        addresses.ordinary(ip, _SPEC.at("externalIPs").index(i), err, former.get("externalIPs") or ())
    rules.one_of(kind, needs.TYPES, _SPEC.at("type"), err)
    _numbers(spec, err)
    _source_ranges(service, old or {}, err)
    if spec.get("allocateLoadBalancerNodePorts") is not None and kind != needs.LOAD_BALANCER:
        err.forbidden(_SPEC.at("allocateLoadBalancerNodePorts"), OF_BALANCERS)
    _balancer_class(spec, err)
    _traffic(spec, err)


def _external_name(spec: Object, err: Errors) -> None:
    for field in ("clusterIPs", "ipFamilies"):
        if spec.get(field):
            err.forbidden(_SPEC.at(field), "may not be set for ExternalName services")
    if spec.get("ipFamilyPolicy") is not None:
        err.forbidden(_SPEC.at("ipFamilyPolicy"), "may not be set for ExternalName services")
    rules.named((spec.get("externalName") or "").removesuffix("."), _SPEC.at("externalName"), err)


def _ports(ports: list[Object], err: Errors) -> None:
    seen: set[str] = set()
    for i, port in enumerate(ports):
        at, name = _SPEC.at("ports").index(i), port.get("name") or ""
        if name:
            err.extend(at.at("name"), names.dns1123_label(name), name)
            if name in seen:
                err.duplicate(at.at("name"), name)
            seen.add(name)
        elif len(ports) > 1:
            err.required(at.at("name"))
        rules.port(port.get("port") or 0, at.at("port"), err)
        rules.one_of(port.get("protocol"), PROTOCOLS, at.at("protocol"), err)
        rules.port_or_name(port.get("targetPort"), at.at("targetPort"), err)
        if (app := port.get("appProtocol")) is not None:
            rules.label_name(app, at.at("appProtocol"), err)


def _numbers(spec: Object, err: Errors) -> None:
    """No number twice for one protocol, neither of the service's own nor of the nodes'."""
    path, ports = _SPEC.at("ports"), spec.get("ports") or []
    if spec.get("type") == needs.CLUSTER_IP:
        for i, port in enumerate(ports):
            if port.get("nodePort"):
                err.forbidden(path.index(i).at("nodePort"), "may not be used when `type` is 'ClusterIP'")
    used: set[tuple[str, int]] = set()
    for i, port in enumerate(ports):
        asked = (port.get("protocol") or "", port.get("nodePort") or 0)
        if asked[1] and asked in used:
            err.duplicate(path.index(i).at("nodePort"), asked[1])
        used.add(asked)
    for i in rules.repeated((port.get("protocol"), port.get("port") or 0) for port in ports):
        shown = {field: ports[i][field] for field in ("protocol", "port") if field in ports[i]}
        err.duplicate(path.index(i), internal.whole(PORT, shown))


def _affinity(spec: Object, err: Errors) -> None:
    kind, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    rules.one_of(kind, AFFINITIES, _SPEC.at("sessionAffinity"), err)
    path = _SPEC.at("sessionAffinityConfig")
    if kind == "None" and config is not None:
        err.forbidden(path, "must not be set when session affinity is None")
    if kind != "ClientIP":
        return
    seconds = dig(config, "clientIP", "timeoutSeconds")
    if config is None:
        err.required(path, OF_CLIENT_IP)
    elif config.get("clientIP") is None:
        err.required(path.at("clientIP"), OF_CLIENT_IP)
    elif seconds is None:
        err.required(path.at("clientIP", "timeoutSeconds"), OF_CLIENT_IP)
    elif not 0 < seconds <= LONGEST_AFFINITY:
        why = f"must be greater than 0 and less than {LONGEST_AFFINITY}"
        err.invalid(path.at("clientIP", "timeoutSeconds"), seconds, why)


def _source_ranges(service: Object, old: Object, err: Errors) -> None:
    """Of the field, which may have spaces around its entries; or of the annotation that came before it."""
    spec = service.get("spec") or {}
    balancer = spec.get("type") == needs.LOAD_BALANCER
    note, before = (dig(one, "metadata", "annotations", SOURCE_RANGES) for one in (service, old))
    if ranges := spec.get("loadBalancerSourceRanges"):
        path = _SPEC.at("LoadBalancerSourceRanges")  # upstream spells it like this
        if not balancer:
            err.forbidden(path, OF_BALANCERS)
        former = frozenset(found.strip() for found in dig(old, "spec", "loadBalancerSourceRanges", default=()))
        for i, found in enumerate(ranges):
            rules.cidr(found.strip(), path.index(i), err, former)
    elif note is not None:
        path = _NOTES.key(SOURCE_RANGES)
        if not balancer:
            err.forbidden(path, OF_BALANCERS)
        if note != before and note.strip():
            for found in note.strip().split(","):
                rules.cidr(found.strip(), path, err)


def _balancer_class(spec: Object, err: Errors) -> None:
    path, name = _SPEC.at("loadBalancerClass"), spec.get("loadBalancerClass")
    if name is not None and spec.get("type") != needs.LOAD_BALANCER:
        err.forbidden(path, OF_BALANCERS)
    elif name is not None:
        rules.label_name(name, path, err)


def _traffic(spec: Object, err: Errors) -> None:
    path, external = _SPEC.at("externalTrafficPolicy"), spec.get("externalTrafficPolicy")
    if needs.external_traffic_policy(spec):
        rules.one_of(external, TRAFFIC, path, err)
    elif external:
        err.invalid(path, external, "may only be set for externally-accessible services")
    if (number := spec.get("healthCheckNodePort")) and not needs.health_check_port(spec):
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        err.invalid(_SPEC.at("healthCheckNodePort"), number, why)
    elif number:
        rules.port(number, _SPEC.at("healthCheckNodePort"), err)
    rules.given_one_of(spec.get("internalTrafficPolicy"), TRAFFIC, _SPEC.at("internalTrafficPolicy"), err)
    at = _SPEC.at("trafficDistribution")
    rules.given_one_of(spec.get("trafficDistribution"), DISTRIBUTIONS, at, err, as_given=True)


def validate_update(service: Object, former: Object, err: Errors) -> None:
    spec, old = service.get("spec") or {}, former.get("spec") or {}
    if needs.EXTERNAL_NAME not in (spec.get("type"), old.get("type")):
        cluster_ips.validate_update(spec, old, err)
    balanced = old.get("type") == needs.LOAD_BALANCER == spec.get("type")
    if balanced and spec.get("loadBalancerClass") != old.get("loadBalancerClass"):
        err.invalid(_SPEC.at("loadBalancerClass"), spec.get("loadBalancerClass"), "may not change once set")
    _balancer_class(spec, err)
    checked = needs.health_check_port(old) and needs.health_check_port(spec)
    if checked and spec.get("healthCheckNodePort") != old.get("healthCheckNodePort"):
        err.forbidden(_SPEC.at("healthCheckNodePort"), rules.IMMUTABLE)
    validate(service, former, err)


def validate_status(service: Object, old: Object, err: Errors) -> None:
    path, points = (
        Path("status", "loadBalancer", "ingress"),
        dig(service, "status", "loadBalancer", "ingress", default=()),
    )
    before = dig(old, "status", "loadBalancer", "ingress", default=())
    if points and dig(service, "spec", "type") != needs.LOAD_BALANCER:
        err.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    former = frozenset(point["ip"] for point in before if point.get("ip"))
    for i, point in enumerate(points):
        at, ip, mode = path.index(i), point.get("ip"), point.get("ipMode")
        if ip:
            rules.address(ip, at.at("ip"), err, former)
        if mode is None:
            if ip:
                err.required(at.at("ipMode"), "must be specified when `ip` is set")
        elif not ip:
            err.forbidden(at.at("ipMode"), "may not be specified when `ip` is not set")
        elif mode not in ("Proxy", "VIP"):
            err.not_supported(at.at("ipMode"), mode, ("Proxy", "VIP"))
        rules.load_balancer_name(point.get("hostname"), at.at("hostname"), err)
