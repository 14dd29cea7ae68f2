"""What a service needs, read off its type."""

from __future__ import annotations

from longboat.machinery.objects import Object

CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME = TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
HEADLESS = "None"


def cluster_ip(spec: Object) -> bool:
    return spec.get("type") in (CLUSTER_IP, NODE_PORT, LOAD_BALANCER)


def headless(spec: Object) -> bool:
    return bool(spec.get("clusterIPs") == [HEADLESS])


def allocated_ip(spec: Object) -> bool:
    """A cluster IP of its own, which a headless service has not."""
    return cluster_ip(spec) and spec.get("clusterIP") != HEADLESS


def node_ports(spec: Object) -> bool:
    kind = spec.get("type")
    return kind == NODE_PORT or (kind == LOAD_BALANCER and spec.get("allocateLoadBalancerNodePorts") is not False)


def external_traffic_policy(spec: Object) -> bool:
    kind = spec.get("type")
    return kind in (NODE_PORT, LOAD_BALANCER) or (kind == CLUSTER_IP and bool(spec.get("externalIPs")))


def health_check_port(spec: Object) -> bool:
    return spec.get("type") == LOAD_BALANCER and spec.get("externalTrafficPolicy") == "Local"
