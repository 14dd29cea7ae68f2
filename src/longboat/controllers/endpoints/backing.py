"""From a Service's pods to endpoints. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from longboat.api.workloads import Condition
from longboat.controllers.endpoints.views import (
    BackingPod,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    Service,
    ServicePort,
    Target,
)
from longboat.machinery import addresses

FINISHED = frozenset(("Succeeded", "Failed"))
ZONE = "topology.kubernetes.io/zone"


def families(service: Service) -> list[str]:
    """The address types a Service's slices come in."""
    found = service.spec.ipFamilies or ["IPv4"]
    return [family for family in found if family in ("IPv4", "IPv6")]


def address(pod: BackingPod, family: str) -> str:
    """The pod's address of this family; empty if it has none."""
    wanted = 4 if family == "IPv4" else 6
    listed = [entry.ip for entry in pod.status.podIPs] or ([pod.status.podIP] if pod.status.podIP else [])
    return next((ip for ip in listed if addresses.parse(ip).version == wanted), "")


def counts(pod: BackingPod) -> bool:
    """Whether the pod can stand behind a Service at all, now or soon."""
    return bool(pod.status.podIP) and pod.status.phase not in FINISHED


def ready(conditions: list[Condition]) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in conditions)


def endpoint(service: Service, pod: BackingPod, family: str, zones: Mapping[str, str]) -> Endpoint:
    """The endpoint of one pod (KEP-752, and KEP-1672 for what is terminating)."""
    terminating = pod.metadata.deletionTimestamp is not None
    serving = ready(pod.status.conditions)
    published = service.spec.publishNotReadyAddresses or (serving and not terminating)
    hostname = pod.spec.hostname if pod.spec.hostname and pod.spec.subdomain == service.metadata.name else None
    meta = pod.metadata
    return Endpoint(
        addresses=[address(pod, family)],
        conditions=EndpointConditions(ready=published, serving=serving, terminating=terminating),
        hostname=hostname,
        nodeName=pod.spec.nodeName or None,
        zone=zones.get(pod.spec.nodeName),
        targetRef=Target(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid),
    )


def ports(service: Service, pod: BackingPod) -> tuple[EndpointPort, ...]:
    """The Service's ports as this pod has them: a port it does not name is left out."""
    found = []
    for port in service.spec.ports:
        number = port_number(port, pod)
        if number is not None:
            found.append(
                EndpointPort(name=port.name, protocol=port.protocol, port=number, appProtocol=port.appProtocol)
            )
    return tuple(found)


def port_number(port: ServicePort, pod: BackingPod) -> int | None:
    target = port.targetPort or port.port
    if isinstance(target, int):
        return target
    sidecars = [c for c in pod.spec.initContainers if c.restartPolicy == "Always"]
    for container in (*pod.spec.containers, *sidecars):
        for named in container.ports:
            if named.name == target and named.protocol == port.protocol:
                return named.containerPort
    return None
