"""What services hold: addresses and node ports, taken before anybody judges the service: all see what it gets."""

from __future__ import annotations

from collections.abc import Coroutine

from longboat.aio.clock import Clock
from longboat.machinery import errors
from longboat.machinery.fieldpath import Errors
from longboat.machinery.objects import Object, meta
from longboat.registry import metadata
from longboat.registry.allocators.addresses import ClusterIPs
from longboat.registry.allocators.ports import NodePorts
from longboat.registry.allocators.repair import Repair, addresses_of, ports_of
from longboat.registry.kinds.core.service import cluster_ips, families
from longboat.registry.kinds.core.service.allocation import Allocation
from longboat.registry.reservation import Reservation
from longboat.registry.store import Store
from longboat.registry.write import Write


class AddressesAndPorts:
    """Implements registry.reservation.Reserver."""

    def __init__(self, services: Store, ips: ClusterIPs, ports: NodePorts) -> None:
        self.ips, self.ports = ips, ports
        self._strategy, self._services = services.strategy, services

    async def reserve(self, new: Object, old: Object | None, write: Write) -> Reservation | None:
        if write.subresource:
            return None
        if old is None:
            self._strategy.prepare_create(new, write)
        else:
            self._strategy.prepare_update(new, old, write)
        self._check_addresses(new, old)
        refused = self._will_be_refused(new, old)
        return await Allocation(self.ips, self.ports, new, old, write.dry_run, refused=refused).make()

    def _check_addresses(self, new: Object, old: Object | None) -> None:
        """Upstream says what is wrong with these before anything else, and alone. Raises StatusError."""
        err, spec, former = Errors(), new["spec"], (old or {}).get("spec") or {}
        if old is None or not families.unchanged(spec, former):
            cluster_ips.validate(spec, former, err)
        if err:
            raise errors.invalid(self._strategy.kind, meta(new).get("name") or "", err)

    def _will_be_refused(self, new: Object, old: Object | None) -> bool:
        """What will be is given nothing, but hears of what it could not have been given."""
        err = Errors()
        with err.enough():
            metadata.validate(self._strategy, meta(new), err)
            if old is None:
                self._strategy.validate_create(new, err)
            else:
                self._strategy.validate_update(new, old, err)
        return bool(err)

    async def released(self, old: Object) -> None:
        for ip in addresses_of(old):
            await self.ips.give_back(ip, meta(old)["namespace"], meta(old)["name"])
        await self.ports.give_back(ports_of(old))

    def upkeep(self, clock: Clock) -> Coroutine[None, None, None]:
        return Repair(self._services, self.ips, self.ports, clock).run()
