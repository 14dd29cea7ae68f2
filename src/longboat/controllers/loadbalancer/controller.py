"""Gives Services of type LoadBalancer an address: one of the pool's, or without a pool those of the nodes.

The status is the record of what has been given. There is nothing outside the API to clean up after a Service.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from longboat.api import kinds
from longboat.api.families import IPV4, family_of
from longboat.api.view import Part, View
from longboat.client.interface import Key
from longboat.controllers.ingress.controller import Node, addresses
from longboat.controllers.loadbalancer.addresses import NoAddress, from_pools
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.kinds import Kind

CLASS = "longboat.dev/load-balancer"
UNAVAILABLE = "There are no available nodes for LoadBalancer"
RETRY = 30.0  # seconds until an address may have become free


class Point(Part):
    ip: str = ""
    hostname: str = ""
    ipMode: str = ""
    ports: list[Any] = []


class LoadBalancer(Part):
    ingress: list[Point] = []


class ServiceStatus(Part):
    loadBalancer: LoadBalancer = LoadBalancer()


class ServicePort(Part):
    protocol: str = "TCP"
    port: int = 0


class ServiceSpec(Part):
    type: str = "ClusterIP"
    loadBalancerClass: str | None = None
    loadBalancerIP: str = ""
    ipFamilies: list[str] = []
    ports: list[ServicePort] = []


class Service(View):
    KIND: ClassVar[Kind] = kinds.SERVICE

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


def is_ours(service: Service) -> bool:
    return service.spec.type == "LoadBalancer" and service.spec.loadBalancerClass in (None, CLASS)


def shown(service: Service) -> list[str]:
    return [point.ip for point in service.status.loadBalancer.ingress]


def families(service: Service) -> list[str]:
    return service.spec.ipFamilies or [IPV4]


class LoadBalancerController(Controller):
    """One worker: two at once might give one address away twice."""

    name = "service"
    component = "service-controller"
    options = ("load_balancer_pool",)
    rights = """
        get list watch: services nodes
        patch update: services/status
    """
    watches = (Watch(Service, own_key),)
    reads = (Node,)
    workers = 1
    load_balancer_pool: str = ""  # a range, or two with a comma between

    def setup(self) -> None:
        self._given: dict[Key, list[str]] = {}  # what the informer may not show yet
        self.cache(Node).on_change(self._node_changed)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        before, after = (addresses([node] if node is not None else []) for node in (old, new))
        if before != after and not self.load_balancer_pool:
            for service in self.cache(Service).values():
                self.queue.add(Key(service.metadata.namespace, service.metadata.name))

    async def reconcile(self, key: Key) -> Requeue | None:
        service = self.cache(Service).get(key)
        if service is None or service.metadata.deletionTimestamp is not None:
            self._given.pop(key, None)
            return None
        if service.spec.type != "LoadBalancer":
            if self._given.pop(key, None) or shown(service):
                await self._show(key, service, [])
                self.events.event(service, "Normal", "DeletedLoadBalancer", "Deleted load balancer")
            return None
        if not is_ours(service):
            return None
        try:
            wanted = self._addresses(key, service)
        except NoAddress as error:
            why = f"Error syncing load balancer: failed to ensure load balancer: {error}"
            self.events.event(service, "Warning", "SyncLoadBalancerFailed", why)
            return Requeue(RETRY)
        self._given[key] = wanted
        if not wanted:
            self.events.event(service, "Warning", "UnAvailableLoadBalancer", UNAVAILABLE)
        if wanted != shown(service):
            self.events.event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
            await self._show(key, service, wanted)
            self.events.event(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")
        return None

    def _addresses(self, key: Key, service: Service) -> list[str]:
        """Raises NoAddress."""
        if not self.load_balancer_pool:
            return self._of_nodes(key, service)
        has, asked = shown(service) or self._given.get(key, []), service.spec.loadBalancerIP
        taken = {ip for other, given in self._given.items() if other != key for ip in given}
        for other in self.cache(Service).values():
            if Key(other.metadata.namespace, other.metadata.name) != key:
                taken.update(shown(other))
        return from_pools(self.load_balancer_pool, families(service), has, taken, asked)

    def _of_nodes(self, key: Key, service: Service) -> list[str]:
        """Raises NoAddress where another Service has one of the ports already."""
        ports = {(port.protocol, port.port) for port in service.spec.ports}
        for other in self.cache(Service).values():
            other_key = Key(other.metadata.namespace, other.metadata.name)
            if other_key == key or not is_ours(other) or not (shown(other) or self._given.get(other_key)):
                continue
            if clash := ports & {(port.protocol, port.port) for port in other.spec.ports}:
                protocol, port = min(clash)
                raise NoAddress(f"port {port}/{protocol} of the nodes is Service {other_key}'s")
        own = families(service)
        return [each for each in addresses(self.cache(Node).values()) if family_of(each) in own]

    async def _show(self, key: Key, service: Service, ips: list[str]) -> None:
        points = [{"ip": ip, "ipMode": "VIP"} for ip in ips]
        status = {"loadBalancer": {"ingress": points or None}}
        patch = {"metadata": {"uid": service.metadata.uid}, "status": status}
        made = await self.client.patch(kinds.SERVICE, key, patch, subresource="status")
        assert msgspec.json.decode(made)
