"""What the network needs to see of Services, EndpointSlices and Nodes."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.machinery.kinds import Kind
from longboat.network.families import is_address

RIGHTS = "READ: namespaces"  # beyond upstream's `system:node-proxier`
SERVICE_NAME = "kubernetes.io/service-name"  # label of an EndpointSlice


class ServicePort(Part):
    name: str = ""
    protocol: str = "TCP"
    port: int = 0
    nodePort: int = 0


class ClientIPConfig(Part):
    timeoutSeconds: int = 10800


class SessionAffinityConfig(Part):
    clientIP: ClientIPConfig = ClientIPConfig()


class ServiceSpec(Part):
    type: str = "ClusterIP"
    clusterIP: str = ""
    clusterIPs: list[str] = []
    ipFamilies: list[str] = []
    externalName: str = ""
    ports: list[ServicePort] = []
    sessionAffinity: str = "None"
    sessionAffinityConfig: SessionAffinityConfig = SessionAffinityConfig()
    internalTrafficPolicy: str = "Cluster"
    externalTrafficPolicy: str = "Cluster"
    healthCheckNodePort: int = 0
    loadBalancerClass: str | None = None
    loadBalancerSourceRanges: list[str] = []

    @property
    def addresses(self) -> list[str]:
        """Its ClusterIPs, the primary first: "None" for one that is headless."""
        return self.clusterIPs or [self.clusterIP]


class LoadBalancerIngress(Part):
    ip: str = ""
    ipMode: str = "VIP"


class LoadBalancerStatus(Part):
    ingress: list[LoadBalancerIngress] = []


class ServiceStatus(Part):
    loadBalancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(View):
    KIND: ClassVar[Kind] = kinds.SERVICE

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class EndpointConditions(Part):
    """Absent means yes for ready and serving, no for terminating (EndpointSlice v1)."""

    ready: bool = True
    serving: bool = True
    terminating: bool = False


class Endpoint(Part):
    addresses: list[str] = []
    conditions: EndpointConditions = EndpointConditions()
    nodeName: str = ""
    hostname: str = ""


class EndpointPort(Part):
    name: str = ""
    protocol: str = "TCP"
    port: int = 0


class EndpointSlice(View):
    KIND: ClassVar[Kind] = kinds.ENDPOINT_SLICE

    addressType: str = ""
    endpoints: list[Endpoint] = []
    ports: list[EndpointPort] = []

    @property
    def service(self) -> str:
        """namespace/name of the Service it belongs to."""
        return f"{self.metadata.namespace}/{self.metadata.labels.get(SERVICE_NAME, '')}"


class Namespace(View):
    """Only whether it exists."""

    KIND: ClassVar[Kind] = kinds.NAMESPACE


class Taint(Part):
    key: str = ""


class NodeSpec(Part):
    podCIDR: str = ""
    podCIDRs: list[str] = []
    taints: list[Taint] = []


class NodeAddress(Part):
    type: str = ""
    address: str = ""


class NodeCondition(Part):
    type: str = ""
    status: str = ""


class NodeStatus(Part):
    addresses: list[NodeAddress] = []
    conditions: list[NodeCondition] = []


class Node(View):
    KIND: ClassVar[Kind] = kinds.NODE

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def is_ready(self) -> bool:
        return any(each.type == "Ready" and each.status == "True" for each in self.status.conditions)

    @property
    def addresses(self) -> list[str]:
        """Its internal ones, the primary first. A node reports them itself: what is no address is passed over."""
        return [
            each.address for each in self.status.addresses if each.type == "InternalIP" and is_address(each.address)
        ]

    @property
    def pod_ranges(self) -> list[str]:
        """The node's share of the pods' ranges, the primary first; none while it has none."""
        return self.spec.podCIDRs or [each for each in (self.spec.podCIDR,) if each]


class ServiceCIDRSpec(Part):
    cidrs: list[str] = []


class ServiceCIDR(View):
    KIND: ClassVar[Kind] = kinds.SERVICE_CIDR

    spec: ServiceCIDRSpec = ServiceCIDRSpec()
