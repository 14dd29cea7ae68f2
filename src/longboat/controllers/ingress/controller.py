"""Tells in the status of our Ingresses at which addresses they are served: those of the nodes that are ready."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.ingress import CLASS, CONTROLLER, LEGACY_CLASS
from longboat.api.load_balancing import EXCLUDED, is_near_only
from longboat.api.view import Part, View
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.kinds import Kind


class LoadBalancerIngress(Part):
    ip: str = ""


class LoadBalancer(Part):
    ingress: list[LoadBalancerIngress] = []


class IngressStatus(Part):
    loadBalancer: LoadBalancer = LoadBalancer()


class IngressSpec(Part):
    ingressClassName: str | None = None


class Ingress(View):
    KIND: ClassVar[Kind] = kinds.INGRESS

    spec: IngressSpec = IngressSpec()
    status: IngressStatus = IngressStatus()


class IngressClassSpec(Part):
    controller: str = ""


class IngressClass(View):
    KIND: ClassVar[Kind] = kinds.INGRESS_CLASS

    spec: IngressClassSpec = IngressClassSpec()


class Condition(Part):
    type: str = ""
    status: str = ""


class Address(Part):
    type: str = ""
    address: str = ""


class NodeStatus(Part):
    addresses: list[Address] = []
    conditions: list[Condition] = []


class Node(View):
    KIND: ClassVar[Kind] = kinds.NODE

    status: NodeStatus = NodeStatus()


def addresses(nodes: Iterable[Node]) -> list[str]:
    """Where the ready nodes are reached, in order; simulated ones at loopback, if there are no others."""
    found = set()
    for node in nodes:
        ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
        if ready and node.metadata.deletionTimestamp is None and EXCLUDED not in node.metadata.labels:
            found |= {a.address for a in node.status.addresses if a.type == "InternalIP"}
    return sorted(address for address in found if not is_near_only(address)) or sorted(found)


class IngressController(Controller):
    name = "ingress"
    rights = """
        get list watch: networking/ingresses networking/ingressclasses nodes
        patch update: networking/ingresses/status
    """
    watches = (Watch(Ingress, own_key),)
    reads = (IngressClass, Node)
    workers = 1

    def setup(self) -> None:
        self.cache(Node).on_change(self._node_changed)
        self.cache(IngressClass).on_change(lambda old, new: self._all())

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        before, after = (addresses([node] if node is not None else []) for node in (old, new))
        if before != after:
            self._all()

    def _all(self) -> None:
        for ingress in self.cache(Ingress).values():
            self.queue.add(Key(ingress.metadata.namespace, ingress.metadata.name))

    async def reconcile(self, key: Key) -> Requeue | None:
        ingress = self.cache(Ingress).get(key)
        if ingress is None or ingress.metadata.deletionTimestamp is not None or not self._is_ours(ingress):
            return None
        wanted = addresses(self.cache(Node).values())
        if [each.ip for each in ingress.status.loadBalancer.ingress] != wanted:
            status: dict[str, Any] = {"loadBalancer": {"ingress": [{"ip": ip} for ip in wanted] or None}}
            patch = {"metadata": {"uid": ingress.metadata.uid}, "status": status}
            await self.client.patch(kinds.INGRESS, key, patch, subresource="status")
        return None

    def _is_ours(self, ingress: Ingress) -> bool:
        name = ingress.spec.ingressClassName
        if name is None:
            return ingress.metadata.annotations.get(LEGACY_CLASS) == CLASS
        found = self.cache(IngressClass).get(Key("", name))
        return found is not None and found.spec.controller == CONTROLLER
