"""What enforcing NetworkPolicies takes of the API's objects."""

from __future__ import annotations

from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.machinery.kinds import Kind
from longboat.network.families import Family

RIGHTS = "READ: namespaces pods networking/networkpolicies"
FINISHED = ("Succeeded", "Failed")


class IPBlock(Part, rename={"excluding": "except"}):
    cidr: str = ""
    excluding: list[str] = []


class Peer(Part):
    podSelector: dict[str, Any] | None = None
    namespaceSelector: dict[str, Any] | None = None
    ipBlock: IPBlock | None = None


class PolicyPort(Part):
    """No port means all of the protocol's."""

    protocol: str = "TCP"
    port: int | str | None = None
    endPort: int | None = None


class IngressRule(Part, rename={"peers": "from"}):
    ports: list[PolicyPort] = []
    peers: list[Peer] = []


class EgressRule(Part, rename={"peers": "to"}):
    ports: list[PolicyPort] = []
    peers: list[Peer] = []


Rule = IngressRule | EgressRule


class PolicySpec(Part):
    podSelector: dict[str, Any] = {}
    policyTypes: list[str] = []
    ingress: list[IngressRule] = []
    egress: list[EgressRule] = []


class NetworkPolicy(View):
    KIND: ClassVar[Kind] = kinds.NETWORK_POLICY

    spec: PolicySpec = PolicySpec()

    @property
    def rules(self) -> tuple[Rule, ...]:
        return (*self.spec.ingress, *self.spec.egress)


class Namespace(View):
    KIND: ClassVar[Kind] = kinds.NAMESPACE


class ContainerPort(Part):
    name: str = ""
    containerPort: int = 0
    protocol: str = "TCP"


class Container(Part):
    ports: list[ContainerPort] = []
    restartPolicy: str = ""


class PodSpec(Part):
    nodeName: str = ""
    hostNetwork: bool = False
    containers: list[Container] = []
    initContainers: list[Container] = []


class PodIP(Part):
    ip: str = ""


class PodStatus(Part):
    phase: str = ""
    podIP: str = ""
    podIPs: list[PodIP] = []


class Pod(View):
    KIND: ClassVar[Kind] = kinds.POD

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def addresses(self) -> list[str]:
        """The pod's own; none of one that has none, shares its node's, or has ended."""
        if self.spec.hostNetwork or self.status.phase in FINISHED:
            return []
        return [each.ip for each in self.status.podIPs] or [ip for ip in (self.status.podIP,) if ip]

    def address(self, family: Family) -> str:
        """The pod's own of this family, "" where it has none."""
        return family.first(self.addresses)

    def named_ports(self) -> dict[tuple[str, str], int]:
        """Number by protocol and name; the first container that has a name wins."""
        found: dict[tuple[str, str], int] = {}
        lasting = [c for c in self.spec.initContainers if c.restartPolicy == "Always"]
        for container in (*self.spec.containers, *lasting):
            for port in container.ports:
                if port.name:
                    found.setdefault((port.protocol, port.name), port.containerPort)
        return found
