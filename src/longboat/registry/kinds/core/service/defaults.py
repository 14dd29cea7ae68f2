"""Defaults of services, and what an update carries over or drops."""

from __future__ import annotations

from longboat.machinery.objects import Object
from longboat.registry.kinds import fill
from longboat.registry.kinds.core.service import needs

AFFINITY_SECONDS = 10800


def default(obj: Object) -> None:
    spec = fill.part(obj, "spec")
    fill.empty(spec, "type", needs.CLUSTER_IP)
    fill.empty(spec, "sessionAffinity", "None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = fill.part(fill.part(spec, "sessionAffinityConfig"), "clientIP")
        fill.absent(client, "timeoutSeconds", AFFINITY_SECONDS)
    for port in fill.each(spec, "ports"):
        fill.empty(port, "protocol", "TCP")
        fill.empty(port, "targetPort", port.get("port", 0))
    if needs.external_traffic_policy(spec):
        fill.empty(spec, "externalTrafficPolicy", "Cluster")
    if needs.cluster_ip(spec):
        fill.absent(spec, "internalTrafficPolicy", "Cluster")
    if spec["type"] == needs.LOAD_BALANCER:
        fill.absent(spec, "allocateLoadBalancerNodePorts", True)
        for point in fill.each((obj.get("status") or {}).get("loadBalancer") or {}, "ingress"):
            if point.get("ip"):
                fill.absent(point, "ipMode", "VIP")
    fill.part(fill.part(obj, "status"), "loadBalancer")


def normalize_cluster_ips(spec: Object, old: Object | None) -> None:
    """clusterIP is the first of clusterIPs: bring them in line where the client has spoken of one alone."""
    ip, ips = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    if old is None:
        if ip and not ips:
            spec["clusterIPs"] = [ip]
        return
    if ip == (old.get("clusterIP") or "") or ips != (old.get("clusterIPs") or []):
        return
    if ip:
        spec["clusterIPs"] = [ip]
    else:
        spec.pop("clusterIPs", None)


def keep_allocated(spec: Object, old: Object) -> None:
    """An update that leaves out what was allocated keeps it."""
    if needs.cluster_ip(old) and needs.cluster_ip(spec):
        fill.empty(spec, "clusterIP", old.get("clusterIP"))
        if spec.get("clusterIP") == old.get("clusterIP"):
            fill.empty(spec, "clusterIPs", list(old.get("clusterIPs") or []))
    if needs.cluster_ip(old) and needs.cluster_ip(spec):
        if old.get("ipFamilyPolicy") is not None:
            fill.absent(spec, "ipFamilyPolicy", old["ipFamilyPolicy"])
        if spec.get("clusterIPs") == old.get("clusterIPs"):
            fill.empty(spec, "ipFamilies", list(old.get("ipFamilies") or []))
    if needs.node_ports(old) and needs.node_ports(spec):
        _keep_node_ports(spec, old)
    if needs.health_check_port(old) and needs.health_check_port(spec):
        fill.empty(spec, "healthCheckNodePort", old.get("healthCheckNodePort"))
    for field in ("clusterIP", "clusterIPs", "ipFamilies", "healthCheckNodePort"):
        if not spec.get(field):
            spec.pop(field, None)


def _keep_node_ports(spec: Object, old: Object) -> None:
    """Ports are recognised by their name; a number that is used elsewhere meanwhile is not taken back."""
    former = {port.get("name") or "": port.get("nodePort") or 0 for port in fill.each(old, "ports")}
    used = {port.get("nodePort") for port in fill.each(spec, "ports")} & set(former.values())
    for port in fill.each(spec, "ports"):
        number = former.get(port.get("name") or "", 0)
        if not port.get("nodePort") and number and number not in used:
            port["nodePort"] = number
            used.add(number)


def drop_what_no_longer_applies(spec: Object, old: Object) -> None:
    """Where the type has changed, what only the former type had goes, unless the client has changed it too."""

    def drop(*fields: str) -> None:
        if all(spec.get(field) == old.get(field) for field in fields):
            for field in fields:
                spec.pop(field, None)

    if needs.cluster_ip(old) and not needs.cluster_ip(spec):
        drop("clusterIP", "clusterIPs")
        drop("ipFamilies")
        drop("ipFamilyPolicy")
        drop("internalTrafficPolicy")
    if needs.node_ports(old) and not needs.node_ports(spec) and _node_ports(spec) == _node_ports(old):
        for port in fill.each(spec, "ports"):
            port.pop("nodePort", None)
    if needs.health_check_port(old) and not needs.health_check_port(spec):
        drop("healthCheckNodePort")
    if old.get("type") == needs.LOAD_BALANCER != spec.get("type"):
        drop("allocateLoadBalancerNodePorts")
        drop("loadBalancerClass")
    if needs.external_traffic_policy(old) and not needs.external_traffic_policy(spec):
        drop("externalTrafficPolicy")
    if old.get("type") == needs.EXTERNAL_NAME != spec.get("type"):
        drop("externalName")


def _node_ports(spec: Object) -> list[int]:
    return [port.get("nodePort") or 0 for port in fill.each(spec, "ports")]
