"""The cluster's DNS on one node, put together: the API's objects, the zone, the way outside, the sockets."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Iterable, Sequence

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.client.informer import Informers
from longboat.machinery.exposition import Family, Sample, text
from longboat.network.dns import wire
from longboat.network.dns.directory import Directory
from longboat.network.dns.forward import Forwarder
from longboat.network.dns.replies import Replies
from longboat.network.dns.resolver import Resolver
from longboat.network.dns.server import Server
from longboat.network.dns.zone import Zone

log = logging.getLogger(__name__)
RETRY = 5.0  # seconds until an address that could not be listened at is tried again
LOOK = 30.0  # seconds between looks at who answers for names outside: machines move


class ClusterDNS:
    """Run it in the node's network namespace.

    `addresses` are where it answers: `claim` makes one of them the node's own, `release` undoes that; both block and
    raise OSError, and so does `forward_to`, which tells the servers for names outside `domain`. `ranges` (CIDRs) hold
    the cluster's own addresses, whose names nobody else is asked for.
    """

    def __init__(
        self,
        informers: Informers,
        clock: Clock,
        *,
        domain: str,
        addresses: Sequence[str],
        forward_to: Callable[[], Iterable[str]] = tuple,
        ranges: Iterable[str] = (),
        port: int = 53,
        claim: Callable[[str], None] = lambda address: None,
        release: Callable[[str], None] = lambda address: None,
    ) -> None:
        labels, replies = wire.labels(domain), Replies()
        directory = Directory(informers, labels, replies.drop)
        zone = Zone(labels, directory, addresses, [ipaddress.ip_network(cidr) for cidr in ranges if cidr])
        self._own, self._forward_to = frozenset(addresses), forward_to
        self._forwarder = Forwarder(clock)
        self._replies = replies
        self._resolver = Resolver(zone, labels, replies, self._forwarder, lambda: directory.is_synced)
        self.servers = [Server(self._resolver, clock, address, port) for address in addresses]
        self._clock, self._claim, self._release = clock, claim, release

    async def run(self) -> None:
        """Until cancelled. Answers from the start: names outside at once, its own when all objects have been read."""
        try:
            async with Tasks("dns") as tasks:
                for server in self.servers:
                    tasks.spawn(f"open {server.address[0]}", self._open(server))
                while True:
                    await self._look()
                    await self._clock.sleep(LOOK)
        finally:
            for server in self.servers:
                await server.close()
                try:
                    await asyncio.to_thread(self._release, server.address[0])
                except OSError as error:
                    log.warning("cannot give up %s: %s", server.address[0], error)
            await self._forwarder.close()

    async def _look(self) -> None:
        """Learn who answers for names outside."""
        try:
            found = await asyncio.to_thread(self._forward_to)
            self._forwarder.servers = tuple(server for server in dict.fromkeys(found) if server not in self._own)
        except OSError as error:
            log.warning("cannot tell who answers for names outside: %s", error)

    async def _open(self, server: Server) -> None:
        """Come to answer at an address, however long somebody else has its port."""
        while True:
            try:
                await asyncio.to_thread(self._claim, server.address[0])
                await server.open()
                log.info("answering names at %s", server.address[0])
                return
            except OSError as error:
                log.error("cannot answer names at %s, trying again: %s", server.address[0], error)
                await self._clock.sleep(RETRY)

    def metrics(self) -> str:
        """Prometheus's text format."""
        forwarder = self._forwarder
        own = (
            ("forwarded_total", "Questions sent to servers outside, answered or not.", forwarder.asked),
            ("unanswered_total", "Questions that no server outside answered.", forwarder.unanswered),
            ("dropped_total", "Answers the kernel did not take.", sum(server.dropped for server in self.servers)),
        )
        counters = [Family(f"longboat_dns_{name}", "counter", help, [Sample(value)]) for name, help, value in own]
        kept = self._replies.codes() + forwarder.codes()
        return text([*self._resolver.counts.families(kept), *counters])
