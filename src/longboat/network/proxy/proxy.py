"""The service proxy of one node: keeps the kernel's rules as Services, EndpointSlices and its Node say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import chain

from longboat.aio.clock import Clock
from longboat.aio.reconciler import Reconciler
from longboat.api.families import split
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.network.families import IPV4, ranges_by_family
from longboat.network.kept import Apply
from longboat.network.proxy import listeners
from longboat.network.proxy.health import ProxyHealth
from longboat.network.proxy.keeper import Keeper
from longboat.network.proxy.listeners import Listener
from longboat.network.proxy.rules import HostPort, NodeInfo, clashes
from longboat.network.views import SERVICE_NAME, EndpointSlice, Node, Service, ServiceCIDR

COALESCE = 0.002  # seconds: a rollout changes several objects at once, and each transaction costs a millisecond
RETRY = 1.0  # seconds after a transaction was refused
LOOK = 10.0  # seconds between looks at what the node itself listens at
CHECK = 30.0  # seconds between looks whether our tables are still there


class Proxy:
    """Run it in the node's network namespace. `apply` carries out nft commands; it may block, so a thread calls it.

    `cluster_cidr` is the pods' range, or two with a comma between: there are rules for their families. `service_cidr`
    are the Services', likewise, beside those that ServiceCIDRs name. `own_services` are addresses and ports of
    Services that the node itself answers at. `addresses` are the node's own, where what it listens at (`listeners`,
    which may block, and the TCP ports `reserved` for it) is nobody else's; `tell` is told of Services that want it.
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
        addresses: Iterable[str] = (),
        reserved: Iterable[int] = (),
        listeners: Callable[[], frozenset[Listener]] = listeners.read,
        tell: Callable[[Service, str], None] = lambda service, text: None,
    ) -> None:
        self._services = informers.of(Service)
        self._slices = informers.of(EndpointSlice)
        self._nodes = informers.of(Node)
        self._service_cidrs = informers.of(ServiceCIDR)
        self._told_cidrs = split(service_cidr)
        self._clock, self._name, own = clock, node, tuple(own_services)
        self._keepers = [
            Keeper(
                NodeInfo(
                    node, family, cluster_cidr=cidr, own_services=own, addresses=tuple(addresses),
                    service_cidrs=tuple(filter(None, (ranges_by_family(service_cidr).get(family, ""),))),
                ),
                self._services, self._slices, apply,
            )
            for family, cidr in (ranges_by_family(cluster_cidr) or {IPV4: ""}).items()
        ]  # fmt: skip
        self._reserved: frozenset[Listener] = frozenset(("TCP", port, "") for port in reserved)
        self._listeners, self._tell = listeners, tell
        self._others: dict[str, tuple[str, ...]] = {}  # other nodes' addresses, by their names
        self._told: dict[Key, set[str]] = {}
        self._suspects: set[Key] = set()  # Services of which it is to be seen whether they want what is taken
        self._reconciler = Reconciler(clock, coalesce=COALESCE, retry=RETRY, look=LOOK)
        self._checked = 0.0
        self.synced = asyncio.Event()
        self.health = ProxyHealth(clock, tuple(keeper.family.name for keeper in self._keepers))
        self._slices.index("service", lambda piece: [_owner(piece)])
        self._services.on_change(self._service_changed)
        self._slices.on_change(self._slice_changed)
        self._nodes.on_change(self._node_changed)
        self._service_cidrs.on_change(lambda old, new: self._wake())

    def set_host_ports(self, ports: Iterable[HostPort]) -> None:
        """The host ports of the containers that run here now."""
        listed = tuple(ports)
        for keeper in self._keepers:
            keeper.set_host_ports(listed)
        self._wake()

    async def run(self) -> None:
        """Until cancelled. The rules stay when it ends: connections must outlive an agent's restart."""
        for informer in (self._services, self._slices, self._nodes, self._service_cidrs):
            await informer.synced()
        self._checked = self._clock.monotonic()
        await self._reconciler.run(self._sync, self._look)

    async def _sync(self) -> bool:
        began = self._clock.monotonic()
        others = frozenset(chain.from_iterable(self._others.values()))
        cidrs = [*self._told_cidrs, *chain.from_iterable(each.spec.cidrs for each in self._service_cidrs.values())]
        for keeper in self._keepers:
            keeper.set_others(others)
            keeper.set_service_cidrs(cidrs)
        if not all([await keeper.sync() for keeper in self._keepers]):
            return False
        self._tell_clashes()
        self.synced.set()
        self.health.updated(waiting_since=began if self._reconciler.is_woken else None)
        return True

    async def _look(self) -> bool:
        """See what the node listens at, which comes first, whenever it came; now and then, whether our tables are still
        there."""
        found = self._reserved | await asyncio.to_thread(self._listeners)
        if any([keeper.set_listeners(found) for keeper in self._keepers]):
            self._suspects.update(_key(service) for service in self._services.values())
            self._wake()
        if self._clock.monotonic() - self._checked < CHECK:
            return False
        self._checked = self._clock.monotonic()
        return not all([await keeper.check() for keeper in self._keepers])

    def _tell_clashes(self) -> None:
        """Once for each Service, and again when it changes."""
        suspects, self._suspects = self._suspects, set()
        for key in suspects:
            service = self._services.get(key)
            found = {each for keeper in self._keepers for each in clashes(service, keeper.node)} if service else set()
            if service is None or not found:
                self._told.pop(key, None)
            elif found != self._told.get(key):
                listed = ", ".join(sorted(found))
                self._tell(service, f"node {self._name} does not serve {listed}: it listens there itself")
                self._told[key] = found

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        self._suspects.add(_key(old or new))
        self._mark(_key(old or new))

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for piece in (old, new):
            if piece is not None:
                namespace, _, name = _owner(piece).partition("/")
                self._mark(Key(namespace, name))

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        either = new or old
        if either is None:
            return
        if either.metadata.name != self._name:
            before, after = (tuple(node.addresses) if node else () for node in (old, new))
            if before != after:
                self._others[either.metadata.name] = after
                self._wake()
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
        self._reconciler.wake()


def _owner(piece: EndpointSlice) -> str:
    """namespace/name of the Service a slice belongs to."""
    return f"{piece.metadata.namespace}/{piece.metadata.labels.get(SERVICE_NAME, '')}"


def _key(service: Service | None) -> Key:
    assert service is not None  # a change has at least one side
    return Key(service.metadata.namespace, service.metadata.name)
