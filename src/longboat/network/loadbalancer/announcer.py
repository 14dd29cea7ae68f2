"""Answers on this node for the load balancers' addresses that are its to answer for.

Every node works out for itself, from what all of them see, who answers for an address: no election, and an address
moves only when its node goes (rendezvous hashing).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable
from functools import partial

from longboat.aio.clock import Clock
from longboat.aio.reconciler import Reconciler
from longboat.api.load_balancing import EXCLUDED, is_near_only
from longboat.client.informer import Informers
from longboat.network.families import Family, family
from longboat.network.proxy.endpoints import targets
from longboat.network.views import EndpointSlice, Node, Service

log = logging.getLogger(__name__)
CLASSES = (None, "longboat.dev/load-balancer")
COALESCE = 0.02
RETRY = 1.0
AGAIN = 60.0  # seconds after which neighbours are told again, and what somebody took away is put back


def announced(service: Service, nodes: Iterable[Node], slices: Iterable[EndpointSlice]) -> dict[str, str]:
    """Which node answers for each of a Service's addresses; none for those that are nodes' own. Pure."""
    if service.spec.type != "LoadBalancer" or service.spec.loadBalancerClass not in CLASSES:
        return {}
    all_nodes = list(nodes)
    own = {address for node in all_nodes for address in node.addresses}
    pieces = list(slices)
    found = {}
    for point in service.status.loadBalancer.ingress:
        if point.ip and point.ip not in own and (able := _able(service, all_nodes, pieces, family(point.ip))):
            found[point.ip] = max(able, key=partial(_weight, point.ip))
    return found


def _able(service: Service, nodes: list[Node], slices: list[EndpointSlice], family: Family) -> list[str]:
    """The nodes that can answer for an address of this family."""
    ready = [node.metadata.name for node in nodes if node.is_ready and _is_reached(node, family)]
    if service.spec.externalTrafficPolicy != "Local":
        return ready
    near = [name for name in ready if any(targets(slices, p, name, family).local for p in service.spec.ports)]
    return near or ready


def _is_reached(node: Node, family: Family) -> bool:
    """By neighbours, and for this."""
    address = family.first(node.addresses)
    return bool(address) and not is_near_only(address) and EXCLUDED not in node.metadata.labels


def _weight(ip: str, node: str) -> bytes:
    return hashlib.sha256(f"{ip} {node}".encode()).digest()


class Announcer:
    """`hold` makes exactly these addresses the node's; it blocks and raises OSError."""

    def __init__(self, informers: Informers, clock: Clock, node: str, hold: Callable[[frozenset[str]], None]) -> None:
        self._services = informers.of(Service)
        self._slices = informers.of(EndpointSlice)
        self._nodes = informers.of(Node)
        self._node, self._hold = node, hold
        self._held: frozenset[str] | None = None  # None: whoever ran before may hold something
        self._reconciler = Reconciler(clock, coalesce=COALESCE, retry=RETRY, look=AGAIN)
        self._slices.index("service", lambda piece: [piece.service])
        self._services.on_change(self._service_changed)
        self._slices.on_change(self._slice_changed)
        self._nodes.on_change(self._node_changed)
        self._local: set[str] = set()  # Services whose endpoints matter here

    async def run(self) -> None:
        """Until cancelled. Addresses stay when it ends, as connections do."""
        for informer in (self._services, self._slices, self._nodes):
            await informer.synced()
        self._held = None
        await self._reconciler.run(self._sync, self._again)

    async def _sync(self) -> bool:
        wanted = self._wanted()
        try:
            if self._held or wanted or self._held is None:
                await asyncio.to_thread(self._hold, wanted)
        except OSError as error:
            log.warning("cannot answer for %s: %s", ", ".join(sorted(wanted)), error)
            return False
        self._held = wanted
        return True

    async def _again(self) -> bool:
        return bool(self._held)

    def _wanted(self) -> frozenset[str]:
        nodes, found = self._nodes.values(), set[str]()
        self._local = set()
        for service in self._services.values():
            if service.spec.type == "LoadBalancer":
                key = f"{service.metadata.namespace}/{service.metadata.name}"
                self._local.add(key)
                at = announced(service, nodes, self._slices.by_index("service", key))
                found |= {ip for ip, node in at.items() if node == self._node}
        return frozenset(found)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        if any(each is not None and each.spec.type == "LoadBalancer" for each in (old, new)):
            self._reconciler.wake()

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if any(each is not None and each.service in self._local for each in (old, new)):
            self._reconciler.wake()

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        before, after = ((n.is_ready, n.addresses, EXCLUDED in n.metadata.labels) if n else None for n in (old, new))
        if before != after:
            self._reconciler.wake()
