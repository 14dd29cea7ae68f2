"""The service proxy of one node: keeps the kernel's rules as Services, EndpointSlices and its Node say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from longboat.aio.clock import Clock
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.network.nftables import NftError
from longboat.network.proxy import conntrack
from longboat.network.proxy.conntrack import Flow
from longboat.network.proxy.health import ProxyHealth
from longboat.network.proxy.rules import HostPort, NodeInfo, base, service_rules
from longboat.network.proxy.ruleset import FAMILY, TABLE, Ruleset, create, diff, merge
from longboat.network.views import SERVICE_NAME, EndpointSlice, Node, Service

log = logging.getLogger(__name__)
COALESCE = 0.002  # seconds: a rollout changes several objects at once, and each transaction costs a millisecond
RETRY = 1.0  # seconds after a transaction was refused
CHECK = 30.0  # seconds between looks whether our table is still there
RBAC = ("services, nodes: get list watch", "endpointslices.discovery.k8s.io: get list watch")

Apply = Callable[[str], str]


class Proxy:
    """Run it in the node's network namespace. `apply` carries out nft commands; it may block, so a thread calls it.

    `own_services` are addresses and ports of Services that the node itself answers at.
    """

    def __init__(
        self,
        informers: Informers,
        clock: Clock,
        node: str,
        cluster_cidr: str,
        apply: Apply,
        own_services: Iterable[tuple[str, int]] = (),
    ) -> None:
        self._services = informers.of(Service)
        self._slices = informers.of(EndpointSlice)
        self._nodes = informers.of(Node)
        self._clock, self._apply = clock, apply
        self._node = NodeInfo(node, cluster_cidr=cluster_cidr, own_services=tuple(own_services))
        self._base = Ruleset()
        self._parts: dict[Key, Ruleset] = {}
        self._fronts: dict[Key, dict[conntrack.Front, frozenset[str]]] = {}
        self._dirty: set[Key] = set()
        self._whole = True  # the kernel's table is not known to be ours: write it anew
        self._changed = asyncio.Event()
        self.synced = asyncio.Event()
        self.health = ProxyHealth(clock)
        self._slices.index("service", lambda piece: [_owner(piece)])
        self._services.on_change(self._service_changed)
        self._slices.on_change(self._slice_changed)
        self._nodes.on_change(self._node_changed)

    def set_host_ports(self, ports: Iterable[HostPort]) -> None:
        """The host ports of the containers that run here now."""
        self._node = replace(self._node, host_ports=tuple(sorted(set(ports))))
        self._wake()

    async def run(self) -> None:
        """Until cancelled. The rules stay when it ends: connections must outlive an agent's restart."""
        for informer in (self._services, self._slices, self._nodes):
            await informer.synced()
        self._changed.set()
        while True:
            try:
                async with self._clock.timeout(CHECK):
                    await self._changed.wait()
            except TimeoutError:
                self._whole = not await self._present()
                if not self._whole:
                    continue
            await self._clock.sleep(COALESCE)
            self._changed.clear()
            began = self._clock.monotonic()
            try:
                await self._sync()
                self.synced.set()
                self.health.updated(waiting_since=began if self._changed.is_set() else None)
            except NftError as error:
                log.warning("the rules were refused; writing all of them anew: %s", error)
                self._whole = True
                self._changed.set()
                await self._clock.sleep(RETRY)

    async def _sync(self) -> None:
        """Bring the kernel up to date in one transaction."""
        if self._whole:
            self._dirty |= {Key(s.metadata.namespace, s.metadata.name) for s in self._services.values()}
            self._dirty |= self._parts.keys()
        dirty, self._dirty = self._dirty, set()
        old, new = [self._base], [base(self._node)]
        parts: dict[Key, Ruleset] = {}
        flows: list[Flow] = []
        fronts: dict[Key, dict[conntrack.Front, frozenset[str]]] = {}
        for key in sorted(dirty):
            service, slices = self._services.get(key), self._slices.by_index("service", str(key))
            parts[key] = Ruleset() if service is None else service_rules(service, slices, self._node)
            fronts[key] = {} if service is None else conntrack.fronts(service, slices, self._node)
            flows += conntrack.stale(self._fronts.get(key, {}), fronts[key])
            old.append(self._parts.get(key, Ruleset()))
            new.append(parts[key])
        commands = create(merge(new)) if self._whole else diff(merge(old), merge(new))
        try:
            if commands:
                await asyncio.to_thread(self._apply, commands)
        except BaseException:
            self._dirty |= dirty
            raise
        self._whole, self._base = False, new[0]
        self._parts |= parts
        self._fronts |= fronts
        for key in [key for key, part in parts.items() if part == Ruleset()]:
            del self._parts[key], self._fronts[key]
        await conntrack.forget(flows)

    async def _present(self) -> bool:
        """Whether our table is still in the kernel."""
        try:
            await asyncio.to_thread(self._apply, f"list chain {FAMILY} {TABLE} services")
        except NftError:
            return False
        return True

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        self._mark(_key(old or new))

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for piece in (old, new):
            if piece is not None:
                namespace, _, name = _owner(piece).partition("/")
                self._mark(Key(namespace, name))

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        either = new or old
        if either is None or either.metadata.name != self._node.name:
            return
        pod_cidr = new.spec.podCIDR if new is not None else ""
        if pod_cidr != self._node.pod_cidr:
            self._node = replace(self._node, pod_cidr=pod_cidr)
            self._wake()

    def _mark(self, key: Key) -> None:
        self._dirty.add(key)
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
