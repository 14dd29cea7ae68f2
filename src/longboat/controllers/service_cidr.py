"""ServiceCIDRs are ready once they are seen, and stay while an address of theirs would be in no range (KEP-1880)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from typing import ClassVar

from longboat.api import kinds
from longboat.api.service_ranges import MANAGED_LABEL, MANAGER, Range
from longboat.api.view import Part, View
from longboat.api.workloads import Condition
from longboat.client.interface import Key
from longboat.controllers.finalizers import hold, let_go
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import parse_timestamp, timestamp

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
GRACE = timedelta(seconds=10)  # until every API server knows that nothing is to be given out of it any more
APPLIER = "service-cidr-controller"  # of what it applies
READY = "Kubernetes Service CIDR is ready"
HELD = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"


class Spec(Part):
    cidrs: list[str] = []


class Status(Part):
    conditions: list[Condition] = []


class ServiceCIDR(View):
    KIND: ClassVar[Kind] = kinds.SERVICE_CIDR

    spec: Spec = Spec()
    status: Status = Status()

    @property
    def ranges(self) -> tuple[Range, ...]:
        return ranges(tuple(self.spec.cidrs))


class IPAddress(View):
    KIND: ClassVar[Kind] = kinds.IP_ADDRESS

    @property
    def by_server(self) -> bool:
        """Whether it is an API server that gave it to a Service."""
        return self.metadata.labels.get(MANAGED_LABEL) == MANAGER


@lru_cache(512)
def ranges(cidrs: tuple[str, ...]) -> tuple[Range, ...]:
    return tuple(map(Range.of, cidrs))


def covered(going: ServiceCIDR, others: Iterable[ServiceCIDR]) -> bool:
    """Whether others have all of its ranges."""
    wider = [each.network for other in others for each in other.ranges]
    return all(
        any(
            own.network.version == network.version
            and network.prefixlen <= own.network.prefixlen
            and own.network.network_address in network
            for network in wider
        )
        for own in going.ranges
    )


def strands(going: ServiceCIDR, others: Iterable[ServiceCIDR], taken: Iterable[str]) -> bool:
    """Whether one of the addresses that are `taken` would be in no range without it."""
    own = going.ranges
    left = [each for other in others for each in other.ranges]
    for text in taken:
        address = ipaddress.ip_address(text)
        if any(each.has(address) for each in own) and not any(each.has(address) for each in left):
            return True
    return False


class ServiceRanges(Controller):
    """An address that comes or goes wakes those that are going, and nobody else."""

    name = "service-cidr"
    queue_name = "ipaddresses"
    account = "service-cidrs-controller"
    rights = """
        get list patch update watch: networking/servicecidrs
        patch update: networking/servicecidrs/status
        list watch: networking/ipaddresses
    """
    watches = (Watch(ServiceCIDR, own_key),)
    reads = (IPAddress,)
    workers = 1

    def setup(self) -> None:
        self._going: set[str] = set()
        self.cache(ServiceCIDR).on_change(self._range_changed)
        self.cache(IPAddress).on_change(self._address_changed)

    def _range_changed(self, old: ServiceCIDR | None, new: ServiceCIDR | None) -> None:
        """Others may cover those that are going, or do so no longer."""
        found = new or old
        assert found is not None
        if new is not None and new.metadata.deletionTimestamp is not None:
            self._going.add(found.metadata.name)
        else:
            self._going.discard(found.metadata.name)
        if old is None or new is None:
            self._wake()

    def _address_changed(self, old: IPAddress | None, new: IPAddress | None) -> None:
        if self._going and (old is None or new is None):
            self._wake()

    def _wake(self) -> None:
        for name in self._going:
            self.queue.add(Key("", name))

    async def reconcile(self, key: Key) -> Requeue | None:
        found = self.cache(ServiceCIDR).get(key)
        if found is None:
            return None
        if found.metadata.deletionTimestamp is None:
            await hold(self.client, found, FINALIZER)
            await self._tell(found, "True", "", READY)
            return None
        if FINALIZER not in found.metadata.finalizers:
            return None
        if self._needed(key, found):
            await self._tell(found, "False", "Terminating", HELD)
            return None
        left = GRACE - (self.clock.now() - parse_timestamp(found.metadata.deletionTimestamp))
        if left > timedelta():
            return Requeue(left.total_seconds())
        await let_go(self.client, found, FINALIZER)
        return None

    def _needed(self, key: Key, going: ServiceCIDR) -> bool:
        others = [each for each in self.cache(ServiceCIDR).values() if each.metadata.name != key.name]
        if covered(going, others):
            return False
        addresses = self.cache(IPAddress).values()
        return strands(going, others, (each.metadata.name for each in addresses if each.by_server))

    async def _tell(self, found: ServiceCIDR, status: str, reason: str, message: str) -> None:
        """Unless it says so already."""
        told = next((each for each in found.status.conditions if each.type == "Ready"), None)
        if told is not None and (told.status, told.reason, told.message) == (status, reason, message):
            return
        condition = {
            "type": "Ready", "status": status, "reason": reason, "message": message,
            "lastTransitionTime": timestamp(self.clock.now()),
        }  # fmt: skip
        change = {"metadata": {"uid": found.metadata.uid}, "status": {"conditions": [condition]}}
        key = Key("", found.metadata.name)
        try:
            await self.client.apply(ServiceCIDR, key, change, manager=APPLIER, subresource="status")
        except StatusError as error:
            if status == "True" and error.code not in (404, 409):
                why = "The ServiceCIDR Status can not be set to Ready=True"
                self.events.event(found, "Warning", "KubernetesServiceCIDRError", why)
            raise
