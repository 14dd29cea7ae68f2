"""How services are shown in tables."""

from __future__ import annotations

from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells
from longboat.registry.kinds.core.service import needs


def external_ip(service: Object) -> str:
    spec = service.get("spec") or {}
    match spec.get("type"):
        case needs.CLUSTER_IP | needs.NODE_PORT:
            return cells.joined(spec.get("externalIPs") or ())
        case needs.LOAD_BALANCER:
            points = cells.load_balancer(service)
            return cells.joined([*([points] if points else []), *(spec.get("externalIPs") or ())], "<pending>")
        case needs.EXTERNAL_NAME:
            return spec.get("externalName") or ""
    return cells.UNKNOWN


def ports(service: Object) -> str:
    return cells.joined(map(_port, dig(service, "spec", "ports", default=())))


def _port(port: Object) -> str:
    number = f"{port.get('port')}:{port['nodePort']}" if port.get("nodePort") else port.get("port")
    return f"{number}/{port.get('protocol')}"


COLUMNS = (
    Column("Type", str, cells.at("spec.type"), description="How the service is reached."),
    Column("Cluster-IP", str, lambda service: dig(service, "spec", "clusterIP") or cells.NONE,
           description="Its address within the cluster."),
    Column("External-IP", str, external_ip, description="Its addresses from outside."),
    Column("Port(s)", str, ports, description="Its ports, and the nodes' ports that lead to them."),
    AGE,
    Column("Selector", str, lambda service: cells.labels(dig(service, "spec", "selector")), 1,
           "Which pods stand behind it."),
)  # fmt: skip
