"""The service proxy of one node: keeps the kernel's rules as Services, EndpointSlices and its Node say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from longboat.aio.clock import Clock
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.network.families import IPV4, ranges_by_family
from longboat.network.proxy.health import ProxyHealth
from longboat.network.proxy.keeper import Apply, Keeper
from longboat.network.proxy.rules import HostPort, NodeInfo
from longboat.network.views import SERVICE_NAME, EndpointSlice, Node, Service

COALESCE = 0.002  # seconds: a rollout changes several objects at once, and each transaction costs a millisecond
RETRY = 1.0  # seconds after a transaction was refused
CHECK = 30.0  # seconds between looks whether our tables are still there
RBAC = ("services, nodes: get list watch", "endpointslices.discovery.k8s.io: get list watch")


class Proxy:
    """Run it in the node's network namespace. `apply` carries out nft commands; it may block, so a thread calls it.

    `cluster_cidr` is the pods' range, or two with a comma between: there are rules for their families. `service_cidr`
    are the Services', likewise. `own_services` are addresses and ports of Services that the node itself answers at.
    """

    def __init__(
        self,
        informers: Informers,
        clock: Clock,
        node: str,
        cluster_cidr: str,
        apply: Apply,
        service_cidr: str = "",
        own_services: Iterable[tuple[str, int]] = (),
    ) -> None:
        self._services = informers.of(Service)
        self._slices = informers.of(EndpointSlice)
        self._nodes = informers.of(Node)
        self._clock, self._name, own = clock, node, tuple(own_services)
        self._keepers = [
            Keeper(
                NodeInfo(
                    node, family, cluster_cidr=cidr, own_services=own,
                    service_cidr=ranges_by_family(service_cidr).get(family, ""),
                ),
                self._services, self._slices, apply,
            )
            for family, cidr in (ranges_by_family(cluster_cidr) or {IPV4: ""}).items()
        ]  # fmt: skip
        self._changed = asyncio.Event()
        self.synced = asyncio.Event()
        self.health = ProxyHealth(clock, tuple(keeper.family.name for keeper in self._keepers))
        self._slices.index("service", lambda piece: [_owner(piece)])
        self._services.on_change(self._service_changed)
        self._slices.on_change(self._slice_changed)
        self._nodes.on_change(self._node_changed)

    def set_host_ports(self, ports: Iterable[HostPort]) -> None:
        """The host ports of the containers that run here now."""
        listed = tuple(ports)
        for keeper in self._keepers:
            keeper.set_host_ports(listed)
        self._wake()

    async def run(self) -> None:
        """Until cancelled. The rules stay when it ends: connections must outlive an agent's restart."""
        for informer in (self._services, self._slices, self._nodes):
            await informer.synced()
        for keeper in self._keepers:
            keeper.distrust()
        self._changed.set()
        while True:
            try:
                async with self._clock.timeout(CHECK):
                    await self._changed.wait()
            except TimeoutError:
                if all([await keeper.check() for keeper in self._keepers]):
                    continue
            await self._clock.sleep(COALESCE)
            self._changed.clear()
            began = self._clock.monotonic()
            if all([await keeper.sync() for keeper in self._keepers]):
                self.synced.set()
                self.health.updated(waiting_since=began if self._changed.is_set() else None)
            else:
                self._changed.set()
                await self._clock.sleep(RETRY)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        self._mark(_key(old or new))

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for piece in (old, new):
            if piece is not None:
                namespace, _, name = _owner(piece).partition("/")
                self._mark(Key(namespace, name))

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        either = new or old
        if either is None or either.metadata.name != self._name:
            return
        ranges = new.pod_ranges if new is not None else []
        if any([keeper.set_pod_cidr(keeper.family.first(ranges)) for keeper in self._keepers]):
            self._wake()

    def _mark(self, key: Key) -> None:
        for keeper in self._keepers:
            keeper.mark(key)
        self._wake()

    def _wake(self) -> None:
        self.health.queued()
        self._changed.set()


def _owner(piece: EndpointSlice) -> str:
    """namespace/name of the Service a slice belongs to."""
    return f"{piece.metadata.namespace}/{piece.metadata.labels.get(SERVICE_NAME, '')}"


def _key(service: Service | None) -> Key:
    assert service is not None  # a change has at least one side
    return Key(service.metadata.namespace, service.metadata.name)
