"""Keeps one family's table in the kernel as Services and EndpointSlices say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from longboat.api.families import family_of
from longboat.client.informer import Informer
from longboat.client.interface import Key
from longboat.network.families import IPV4, Family
from longboat.network.kept import Apply, Kept
from longboat.network.nftables import NftError
from longboat.network.overlay.addresses import is_within
from longboat.network.proxy import conntrack, loopback
from longboat.network.proxy.fronts import Fronts, Look, Tracker, of_host_ports, of_service
from longboat.network.proxy.listeners import Listener, taken, taken_inside
from longboat.network.proxy.rules import HostPort, NodeInfo, base, service_rules
from longboat.network.ruleset import Ruleset, place
from longboat.network.views import EndpointSlice, Service

log = logging.getLogger(__name__)
TABLE = "longboat-services"

Forget = Callable[[Iterable[Look], Family, conntrack.Stale], int]
HOST_PORTS = Key("", "")  # whose fronts are no Service's


class Keeper:
    """`apply` carries out nft commands, `forget` deletes tracked flows, `lead_out` lets loopback and pods reach each
    other; they may block, so threads call them. `slices` has an index "service".
    """

    def __init__(
        self, node: NodeInfo, services: Informer[Service], slices: Informer[EndpointSlice], apply: Apply,
        forget: Forget = conntrack.forget, lead_out: Callable[[bool], None] = loopback.lead_out,
    ) -> None:  # fmt: skip
        self.family = node.family
        self.node, self._services, self._slices, self._apply, self._forget = node, services, slices, apply, forget
        self._base = base(node)
        self._kept = Kept[Key](place(node.family, TABLE), self._base, "services")
        self._lead_out = lead_out
        self._listeners: frozenset[Listener] = frozenset()
        self._tracker = Tracker(lambda address: is_within(address, node.cluster_cidr))

    def mark(self, service: Key) -> None:
        """Something of the Service or its endpoints has changed."""
        self._kept.mark((service,))

    def set_host_ports(self, ports: Iterable[HostPort]) -> None:
        self._set(replace(self.node, host_ports=tuple(sorted(set(ports)))))

    def set_pod_cidr(self, cidr: str) -> bool:
        """Whether it was another before."""
        changed = cidr != self.node.pod_cidr
        if changed:
            self._set(replace(self.node, pod_cidr=cidr))
        return changed

    def set_service_cidrs(self, cidrs: Iterable[str]) -> None:
        """The ranges of Services' addresses, whatever their families: what nobody has of them is refused."""
        own = tuple(sorted(each for each in set(cidrs) if family_of(each) == self.family.name))
        if own != self.node.service_cidrs:
            self._set(replace(self.node, service_cidrs=own))

    def set_others(self, addresses: frozenset[str]) -> None:
        """The addresses of other nodes."""
        if addresses != self.node.others:
            self._set(replace(self.node, others=addresses))

    def set_listeners(self, listeners: Iterable[Listener]) -> bool:
        """What the node itself listens at. Whether it was something else before."""
        self._listeners = frozenset(listeners)
        before = self.node
        self._set(replace(before, taken=taken(self._listeners, before.addresses)))
        return self.node != before

    def _set(self, node: NodeInfo) -> None:
        node = replace(node, taken_inside=self._inside(node))
        if node != self.node:
            self.node, self._base = node, base(node)

    def _inside(self, node: NodeInfo) -> frozenset[tuple[str, int]]:
        ports = frozenset((item.protocol, item.port) for item in node.host_ports)
        return ports & taken_inside(self._listeners, self.family) if ports else ports

    async def sync(self) -> bool:
        """Bring the kernel up to date in one transaction. False where it was refused."""
        try:
            await self._sync()
        except NftError as error:
            log.warning("the %s rules were refused; writing all of them anew: %s", self.family.name, error)
            await self._guard(False)
            return False
        await self._guard(bool(self.node.host_ports))
        return True

    async def _guard(self, wanted: bool) -> None:
        """Host ports may be asked at loopback while the rules keep others from it."""
        if self.family is IPV4:
            try:
                await asyncio.to_thread(self._lead_out, wanted)
            except OSError as error:
                log.warning("host ports at loopback: %s", error)

    async def _sync(self) -> None:
        kept, fronts = self._kept, dict[Key, Fronts]()
        if kept.whole:
            kept.mark(Key(s.metadata.namespace, s.metadata.name) for s in self._services.values())
        kept.base, fronts[HOST_PORTS] = self._base, of_host_ports(self.node)
        taken, inside = self.node.taken, self.node.taken_inside

        def make(key: Key) -> Ruleset:
            try:
                made, fronts[key] = self._make(key)
            except Exception:  # one odd object must not hide the others
                name = self.family.name
                log.exception("Service %s keeps the %s rules that it had: no others can be made", key, name)
                return kept.present(key) or Ruleset()
            return made

        commands = kept.commands(make)
        try:
            if commands:
                await asyncio.to_thread(self._apply, commands)
        except BaseException:
            kept.failed()
            raise
        kept.done()
        for key, each in fronts.items():
            self._tracker.set(key, each)
        self._tracker.set_taken(taken, inside)
        await self._forget_stale()

    def _make(self, key: Key) -> tuple[Ruleset, Fronts]:
        service, slices = self._services.get(key), self._slices.by_index("service", str(key))
        if service is None:
            return Ruleset(), {}
        return service_rules(service, slices, self.node), of_service(service, slices, self.node)

    async def _forget_stale(self) -> None:
        """After the rules: a flow that begins meanwhile is a new one."""
        if not (looks := self._tracker.looks()):
            return
        try:
            await asyncio.to_thread(self._forget, looks, self.family, self._tracker.is_stale)
        except OSError as error:  # the rules hold all the same; the next change finds what this one left
            log.warning("stale %s flows are still tracked: %s", self.family.name, error)
            self._tracker.distrust()
        else:
            self._tracker.done()

    async def check(self) -> bool:
        """Look whether the table is still in the kernel; False where it has to be written anew."""
        if not await self._kept.check(self._apply):
            await self._guard(False)
            return False
        return True
