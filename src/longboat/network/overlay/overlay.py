"""The pod network of one node: its CNI configuration, and the way to the pods of the others."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.aio.reconciler import Reconciler
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.network.overlay import cni, routes, vxlan
from longboat.network.overlay.routes import Routes
from longboat.network.overlay.vxlan import Peer, Tunnel
from longboat.network.views import Node

log = logging.getLogger(__name__)
MTU = 1500
RETRY = 1.0  # seconds after the kernel refused a route


class Overlay:
    """Run it in the node's network namespace.

    `address` is the node's primary one, `conf_dir` where containerd looks for its network, `state_dir` where addresses
    in use are noted, `on_link` the ranges of the nodes' own network, with commas between.
    """

    def __init__(
        self, informers: Informers, clock: Clock, *, node: str, address: str, on_link: str, conf_dir: Path,
        state_dir: Path,
    ) -> None:  # fmt: skip
        self._nodes = informers.of(Node)
        self._node, self._on_link = node, on_link
        self._conf_dir, self._state_dir = conf_dir, state_dir
        self._routes = Routes()
        self._address, self._tunnel = address, Tunnel(address)
        self._tunnelled: dict[str, Peer] | None = None
        self._known: dict[str, str] | None = None  # the routes that are there
        self._reconciler = Reconciler(clock, retry=RETRY)
        self._nodes.on_change(lambda old, new: self._reconciler.wake())

    async def run(self) -> None:
        """Until cancelled. Routes and configuration stay: pods outlive an agent's restart."""
        await self._nodes.synced()
        self._known = None
        await self._reconciler.run(self._sync)

    async def _sync(self) -> bool:
        self._configure()
        want = routes.wanted(self._nodes.values(), self._node, self._on_link)
        try:
            await self._dig()
            if want != self._known and (want or self._known is not None):
                present = await asyncio.to_thread(self._routes.present)
                await asyncio.to_thread(self._routes.apply, routes.change(present, want))
                self._known = want
        except OSError as error:
            log.warning("cannot set the routes to other nodes' pods, trying again: %s", error)
            return False
        return True

    async def _dig(self) -> None:
        """Let the tunnel lead to the nodes that are elsewhere. Raises OSError."""
        peers, ranges = self._distant(), self._own_ranges()
        if peers == self._tunnelled or not ranges or (self._tunnelled is None and not peers):
            return
        await asyncio.to_thread(self._tunnel.apply, ranges, peers)
        self._tunnelled = peers

    def _distant(self) -> dict[str, Peer]:
        return vxlan.peers(self._nodes.values(), self._node, self._on_link, self._address)

    def _own_ranges(self) -> list[str]:
        own = self._nodes.get(Key("", self._node))
        return own.pod_ranges if own else []

    def _configure(self) -> None:
        """Write the CNI configuration once the node has its share of the pods' ranges.

        Pods that may have to do with nodes beyond the tunnel send packets that fit into it.
        """
        if ranges := self._own_ranges():
            cni.leases(self._state_dir)
            mtu = MTU - vxlan.overhead(self._address) if self._distant() else MTU
            if cni.write(self._conf_dir, cni.conflist(ranges, str(self._state_dir), mtu)):
                log.info("pods of this node get addresses from %s", " and ".join(ranges))
