"""Validation of services."""

from __future__ import annotations

from longboat.api.families import IPV4, IPV6, family_of
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import rules
from longboat.registry.kinds.core import addresses
from longboat.registry.kinds.core.pod.containers import PROTOCOLS
from longboat.registry.kinds.core.service import needs
from longboat.registry.kinds.core.service.families import POLICIES, SINGLE

AFFINITIES = ("ClientIP", "None")
LONGEST_AFFINITY = 86400
TRAFFIC = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
AGENT_PORT = 10250
OF_BALANCERS = "may only be used when `type` is 'LoadBalancer'"

_SPEC = Path("spec")
_IPS = _SPEC.at("clusterIPs")


def validate(service: Object, err: Errors) -> None:
    spec = service.get("spec") or {}
    headless, kind = spec.get("clusterIP") == needs.HEADLESS, spec.get("type")
    if not spec.get("ports") and not headless and kind != needs.EXTERNAL_NAME:
        err.required(_SPEC.at("ports"))
    if headless and kind in (needs.LOAD_BALANCER, needs.NODE_PORT):
        err.invalid(_IPS.index(0), needs.HEADLESS, f"may not be set to 'None' for {kind} services")
    if kind == needs.LOAD_BALANCER:
        for i, port in enumerate(spec.get("ports") or ()):
            if port.get("port") == AGENT_PORT:
                why = f"may not expose port {AGENT_PORT} externally since it is used by kubelet"
                err.invalid(_SPEC.at("ports").index(i), AGENT_PORT, why)
    if kind == needs.EXTERNAL_NAME:
        _external_name((spec.get("externalName") or "").removesuffix("."), err)
    _ports(spec, err)
    rules.labels(spec.get("selector"), _SPEC.at("selector"), err)
    _affinity(spec, err)
    _cluster_ips(spec, err)
    for i, ip in enumerate(spec.get("externalIPs") or ()):
        addresses.ordinary(ip, _SPEC.at("externalIPs").index(i), err)
    rules.one_of(kind, needs.TYPES, _SPEC.at("type"), err)
    _load_balancer(spec, err)
    _traffic(spec, err)


def _external_name(name: str, err: Errors) -> None:
    if not name:
        err.required(_SPEC.at("externalName"))
    else:
        err.extend(_SPEC.at("externalName"), names.dns1123_subdomain(name), name)


def _ports(spec: Object, err: Errors) -> None:
    path, ports = _SPEC.at("ports"), spec.get("ports") or []
    seen: set[str] = set()
    for i, port in enumerate(ports):
        at, name = path.index(i), port.get("name") or ""
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
        if app := port.get("appProtocol"):
            rules.label_name(app, at.at("appProtocol"), err)
        if port.get("nodePort") and spec.get("type") == needs.CLUSTER_IP:
            err.forbidden(at.at("nodePort"), "may not be used when `type` is 'ClusterIP'")
    used: set[tuple[str, int]] = set()
    for i, port in enumerate(ports):
        asked = (port.get("protocol") or "", port.get("nodePort") or 0)
        if asked[1] and asked in used:
            err.duplicate(path.index(i).at("nodePort"), asked[1])
        used.add(asked)
    for i in rules.repeated((port.get("protocol"), port.get("port")) for port in ports):
        shown = {field: ports[i].get(field) for field in ("protocol", "port")}
        err.duplicate(path.index(i), {**shown, "targetPort": 0})


def _affinity(spec: Object, err: Errors) -> None:
    rules.one_of(spec.get("sessionAffinity"), AFFINITIES, _SPEC.at("sessionAffinity"), err)
    path, config = _SPEC.at("sessionAffinityConfig"), spec.get("sessionAffinityConfig")
    if spec.get("sessionAffinity") == "ClientIP":
        seconds = dig(config, "clientIP", "timeoutSeconds")
        if seconds is None:
            err.required(path, "when session affinity type is ClientIP")
        elif not 0 < seconds <= LONGEST_AFFINITY:
            why = f"must be greater than 0 and less than {LONGEST_AFFINITY}"
            err.invalid(path.at("clientIP", "timeoutSeconds"), seconds, why)
    elif config is not None:
        err.forbidden(path, "must not be set when session affinity is None")


def _cluster_ips(spec: Object, err: Errors) -> None:
    ip, ips = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    families, policy = spec.get("ipFamilies") or [], spec.get("ipFamilyPolicy")
    if spec.get("type") == needs.EXTERNAL_NAME:
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                err.forbidden(_SPEC.at(field), "may not be set for ExternalName services")
        if ip and not ips:
            err.forbidden(_IPS, "may not be set for ExternalName services")
        return
    known = err.count
    if ips and not ip:
        err.invalid(_IPS, ips, "must be empty when `clusterIP` is not specified")
    elif ips and ips[0] != ip:
        err.invalid(_IPS, ips, "first value must match `clusterIP`")
    again = frozenset(rules.repeated(families))
    for i, family in enumerate(families):
        if family not in (IPV4, IPV6):
            err.not_supported(_SPEC.at("ipFamilies").index(i), family, (IPV4, IPV6))
        elif i in again:
            err.duplicate(_SPEC.at("ipFamilies").index(i), family)
    rules.maybe_one_of(policy, POLICIES, _SPEC.at("ipFamilyPolicy"), err)
    for i, found in enumerate(ips):
        if i == 0 and found == needs.HEADLESS:
            if len(ips) > 1:
                err.invalid(_IPS, ips, "'None' must be the first and only value")
        else:
            rules.address(found, _IPS.index(i), err)
    if len(ips) > 2:
        err.invalid(_IPS, ips, "may only hold up to 2 values")
    if err.count > known or needs.HEADLESS in ips:
        return
    if len(ips) == 2 and family_of(ips[0]) == family_of(ips[1]):
        err.invalid(_IPS, ips, "may specify no more than one IP for each IP family")
    for i, (found, family) in enumerate(zip(ips, families, strict=False)):
        if family_of(found) != family:
            why = f"expected an {family} value as indicated by `ipFamilies[{i}]`"
            err.invalid(_IPS.index(i), found, why)


def _load_balancer(spec: Object, err: Errors) -> None:
    balancer = spec.get("type") == needs.LOAD_BALANCER
    path = _SPEC.at("LoadBalancerSourceRanges")  # upstream spells it like this
    if (ranges := spec.get("loadBalancerSourceRanges")) and not balancer:
        err.forbidden(path, OF_BALANCERS)
    for i, found in enumerate(ranges or ()):
        rules.cidr(found.strip(), path.index(i), err)
    if spec.get("allocateLoadBalancerNodePorts") is not None and not balancer:
        err.forbidden(_SPEC.at("allocateLoadBalancerNodePorts"), OF_BALANCERS)
    if (name := spec.get("loadBalancerClass")) is not None:
        if not balancer:
            err.forbidden(_SPEC.at("loadBalancerClass"), OF_BALANCERS)
        else:
            rules.label_name(name, _SPEC.at("loadBalancerClass"), err)


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
    rules.maybe_one_of(spec.get("internalTrafficPolicy"), TRAFFIC, _SPEC.at("internalTrafficPolicy"), err)
    rules.maybe_one_of(spec.get("trafficDistribution"), DISTRIBUTIONS, _SPEC.at("trafficDistribution"), err)


def validate_update(service: Object, former: Object, err: Errors) -> None:
    spec, old = service.get("spec") or {}, former.get("spec") or {}
    if needs.EXTERNAL_NAME not in (spec.get("type"), old.get("type")):
        _same_ips(spec, old, err)
        _same_families(spec, old, err)
    balanced = old.get("type") == needs.LOAD_BALANCER == spec.get("type")
    if balanced and spec.get("loadBalancerClass") != old.get("loadBalancerClass"):
        err.invalid(_SPEC.at("loadBalancerClass"), spec.get("loadBalancerClass"), "may not change once set")
    checked = needs.health_check_port(old) and needs.health_check_port(spec)
    if checked and spec.get("healthCheckNodePort") != old.get("healthCheckNodePort"):
        err.forbidden(_SPEC.at("healthCheckNodePort"), rules.IMMUTABLE)


def _same_ips(spec: Object, old: Object, err: Errors) -> None:
    """The first address stays; a second may come, and go with the policy."""
    ips, had = spec.get("clusterIPs") or [], old.get("clusterIPs") or []
    if needs.HEADLESS == spec.get("clusterIP") == old.get("clusterIP"):
        return
    if had and not ips:
        err.invalid(_IPS.index(0), None, "primary clusterIP can not be unset")
        return
    for i, (now, then) in enumerate(zip(ips, had, strict=False)):
        if now != then:
            err.invalid(_IPS.index(i), ips, "may not change once set")
    if len(ips) < len(had) and spec.get("ipFamilyPolicy") != SINGLE:
        why = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        err.invalid(_SPEC.at("ipFamilyPolicy"), spec.get("ipFamilyPolicy"), why)


def _same_families(spec: Object, old: Object, err: Errors) -> None:
    families, had = spec.get("ipFamilies") or [], old.get("ipFamilies") or []
    path = _SPEC.at("ipFamilies")
    if needs.HEADLESS == spec.get("clusterIP") == old.get("clusterIP") and not spec.get("selector"):
        return
    if had and not families:
        err.invalid(path.index(0), None, "primary ipFamily can not be unset")
        return
    for i, (now, then) in enumerate(zip(families, had, strict=False)):
        if now != then:
            err.invalid(path.index(i), families, "may not change once set")
    if len(families) < len(had) and spec.get("ipFamilyPolicy") != SINGLE:
        why = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        err.invalid(_SPEC.at("ipFamilyPolicy"), spec.get("ipFamilyPolicy"), why)


def validate_status(service: Object, err: Errors) -> None:
    path, points = (
        Path("status", "loadBalancer", "ingress"),
        dig(service, "status", "loadBalancer", "ingress", default=()),
    )
    if points and dig(service, "spec", "type") != needs.LOAD_BALANCER:
        err.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    for i, point in enumerate(points):
        at, ip, mode, name = path.index(i), point.get("ip"), point.get("ipMode"), point.get("hostname")
        if ip:
            rules.address(ip, at.at("ip"), err)
        if mode is None:
            if ip:
                err.required(at.at("ipMode"), "must be specified when `ip` is set")
        elif not ip:
            err.forbidden(at.at("ipMode"), "may not be specified when `ip` is not set")
        elif mode not in ("Proxy", "VIP"):
            err.not_supported(at.at("ipMode"), mode, ("Proxy", "VIP"))
        if name:
            err.extend(at.at("hostname"), names.dns1123_subdomain(name), name)
            if not names.ip_address(name):
                err.invalid(at.at("hostname"), name, "must be a DNS name, not an IP address")
