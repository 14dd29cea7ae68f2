"""Brings addresses and ports in line with the services there are: what a crash between two writes left behind."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta

import msgspec

from longboat.aio.clock import Clock
from longboat.api.service_ranges import MANAGED_LABEL, MANAGER
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, dig, parse_timestamp
from longboat.registry.allocators.addresses import ClusterIPs, parent
from longboat.registry.allocators.ports import NodePorts
from longboat.registry.store import Store
from longboat.storage.interface import StorageError

INTERVAL = 180.0  # seconds between passes
PASSES = 3  # a port must be found unused so often before it is freed: its service may be on its way
YOUNG = timedelta(seconds=60)  # as for ports: an address this young may still get its service

log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder().decode


def ports_of(service: Object) -> set[int]:
    """Every node port a service has."""
    found = {port.get("nodePort") or 0 for port in dig(service, "spec", "ports", default=())}
    return (found | {dig(service, "spec", "healthCheckNodePort", default=0)}) - {0}


def addresses_of(service: Object) -> list[str]:
    """Every cluster IP a service has; none for a headless one."""
    found = dig(service, "spec", "clusterIPs", default=[]) or [dig(service, "spec", "clusterIP", default="")]
    return [ip for ip in found if ip not in ("", "None")]


class Repair:
    def __init__(self, services: Store, ips: ClusterIPs, ports: NodePorts, clock: Clock) -> None:
        self._services, self._ips, self._ports, self._clock = services, ips, ports, clock
        self._unused: Counter[int] = Counter()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.once()
            except (StorageError, StatusError) as error:
                log.warning("the addresses and ports of services could not be checked: %s", error)
            await self._clock.sleep(INTERVAL)

    async def once(self) -> None:
        """One pass. Raises StorageError, StatusError."""
        # The bitmap is read before the services: a port taken meanwhile must not look unused.
        taken = await self._ports.taken()
        services = {
            (s["metadata"]["namespace"], s["metadata"]["name"]): s
            for s in (_decode(entry.body) for entry in self._services.entries())
        }
        await self._check_ports(taken, list(services.values()))
        await self._check_addresses(services)

    async def _check_ports(self, taken: set[int], services: list[Object]) -> None:
        used: set[int] = set()
        for service in services:
            used |= ports_of(service)
        idle = taken - used
        self._unused = Counter({port: self._unused[port] + 1 for port in idle})
        leaked = {port for port, passes in self._unused.items() if passes >= PASSES}
        if used - taken or leaked:
            log.info("node ports recorded anew: %d that were not, %d that nothing uses", len(used - taken), len(leaked))
            await self._ports.mark(used, leaked)

    async def _check_addresses(self, services: dict[tuple[str, str], Object]) -> None:
        for (namespace, name), service in services.items():
            for ip in addresses_of(service):
                if await self._ips.claim(ip, namespace, name):
                    log.info("the address %s is recorded anew as that of service %s/%s", ip, namespace, name)
        for entry in self._ips.entries():
            address = _decode(entry.body)
            owner, ip = parent(address), address["metadata"]["name"]
            if owner is None or entry.labels.get(MANAGED_LABEL) != MANAGER:
                continue
            if owner in services and ip in addresses_of(services[owner]):
                continue
            if self._clock.now() - parse_timestamp(address["metadata"]["creationTimestamp"]) > YOUNG:
                log.info("the address %s is freed: service %s/%s does not have it", ip, *owner)
                await self._ips.give_back(ip, *owner)
