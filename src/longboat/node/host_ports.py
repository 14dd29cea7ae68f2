"""Container ports that a pod publishes on its node. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from longboat.machinery import names
from longboat.node.views.pod import Pod


class HostPort(NamedTuple):
    """What arrives at `port` of the node's `host_ip` ("": any) goes to `pod_port` of the pod."""

    protocol: str
    port: int
    host_ip: str
    pod_ip: str
    pod_port: int


def host_ports(pod: Pod, ips: Sequence[str]) -> list[HostPort]:
    """Of a pod with these addresses. Pods on the node's own network need no forwarding."""
    if pod.spec.hostNetwork or not ips:
        return []
    sidecars = [c for c in pod.spec.initContainers if c.is_sidecar]
    return [
        HostPort(
            port.protocol,
            port.hostPort,
            "" if port.hostIP in ("0.0.0.0", "::") else port.hostIP,
            ip,
            port.containerPort,
        )
        for container in (*pod.spec.containers, *sidecars)
        for port in container.ports
        if port.hostPort
        and not (port.hostIP and names.ip_address(port.hostIP))  # the API takes any text, as upstream's
        for ip in ips
        if not port.hostIP or (":" in port.hostIP) == (":" in ip)
    ]
