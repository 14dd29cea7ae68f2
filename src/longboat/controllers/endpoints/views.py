"""What the endpoint controllers read."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.api.workloads import Condition
from longboat.machinery.kinds import Kind


class ServicePort(Part):
    name: str = ""
    protocol: str = "TCP"
    port: int = 0
    targetPort: int | str = 0
    appProtocol: str | None = None


class ServiceSpec(Part):
    type: str = "ClusterIP"
    clusterIP: str = ""
    selector: dict[str, str] = {}
    ports: list[ServicePort] = []
    ipFamilies: list[str] = []
    publishNotReadyAddresses: bool = False
    trafficDistribution: str | None = None


class Service(View):
    KIND: ClassVar[Kind] = kinds.SERVICE

    spec: ServiceSpec = ServiceSpec()


class ContainerPort(Part):
    name: str = ""
    containerPort: int = 0
    protocol: str = "TCP"


class Container(Part):
    ports: list[ContainerPort] = []
    restartPolicy: str = ""


class PodSpec(Part):
    nodeName: str = ""
    hostname: str = ""
    subdomain: str = ""
    containers: list[Container] = []
    initContainers: list[Container] = []


class PodIP(Part):
    ip: str = ""


class PodStatus(Part):
    phase: str = ""
    podIP: str = ""
    podIPs: list[PodIP] = []
    conditions: list[Condition] = []


class BackingPod(View):
    """A pod as Services see it."""

    KIND: ClassVar[Kind] = kinds.POD

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Zoned(View):
    """A node, for its zone."""

    KIND: ClassVar[Kind] = kinds.NODE


class Target(Part):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    apiVersion: str = ""
    resourceVersion: str = ""
    fieldPath: str = ""


class EndpointConditions(Part):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Part):
    addresses: list[str] = []
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    nodeName: str | None = None
    zone: str | None = None
    targetRef: Target | None = None


class EndpointPort(Part):
    name: str = ""
    protocol: str = "TCP"
    port: int | None = None
    appProtocol: str | None = None


class EndpointSlice(View):
    KIND: ClassVar[Kind] = kinds.ENDPOINT_SLICE

    addressType: str = ""
    endpoints: list[Endpoint] = []
    ports: list[EndpointPort] = []


class EndpointAddress(Part):
    ip: str = ""
    hostname: str = ""
    nodeName: str | None = None
    targetRef: Target | None = None


class Subset(Part):
    addresses: list[EndpointAddress] = []
    notReadyAddresses: list[EndpointAddress] = []
    ports: list[EndpointPort] = []


class Endpoints(View):
    KIND: ClassVar[Kind] = kinds.ENDPOINTS

    subsets: list[Subset] = []
