"""What pods refer to: ConfigMaps, Secrets, Services; and the agent's own Node."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.api.taints import Taint
from longboat.api.view import Part, View
from longboat.machinery.kinds import Kind


class ConfigMap(View):
    """binaryData values are base64."""

    KIND: ClassVar[Kind] = kinds.CONFIG_MAP

    data: dict[str, str] = {}
    binaryData: dict[str, str] = {}
    immutable: bool = False


class Secret(View):
    """data values are base64."""

    KIND: ClassVar[Kind] = kinds.SECRET

    data: dict[str, str] = {}
    type: str = ""
    immutable: bool = False


class ServicePort(Part):
    name: str = ""
    protocol: str = "TCP"
    port: int = 0


class ServiceSpec(Part):
    clusterIP: str = ""
    ports: list[ServicePort] = []


class Service(View):
    KIND: ClassVar[Kind] = kinds.SERVICE

    spec: ServiceSpec = ServiceSpec()


class RuntimeClass(View):
    KIND: ClassVar[Kind] = kinds.RUNTIME_CLASS

    handler: str = ""


class NodeCondition(Part):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    lastHeartbeatTime: str | None = None
    lastTransitionTime: str | None = None


class NodeStatus(Part):
    conditions: list[NodeCondition] = []
    capacity: dict[str, str] = {}
    allocatable: dict[str, str] = {}


class NodeSpec(Part):
    podCIDR: str = ""
    taints: list[Taint] = []


class Node(View):
    KIND: ClassVar[Kind] = kinds.NODE

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()
