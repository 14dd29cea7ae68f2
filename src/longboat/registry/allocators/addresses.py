"""Cluster IPs: one IPAddress object per address (KEP-1880), so that creating it is the race that only one can win."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from longboat.api import kinds
from longboat.api.families import family_of
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, dig
from longboat.registry.store import Store
from longboat.registry.strategy import Deletion
from longboat.registry.write import Write
from longboat.storage.entry import Entry

MANAGER = "ipallocator.k8s.io"
FAMILY_LABEL, MANAGED_LABEL = "ipaddress.kubernetes.io/ip-family", "ipaddress.kubernetes.io/managed-by"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_decode = msgspec.json.Decoder().decode
_dice = random.SystemRandom()


class Unavailable(Exception):
    """An address or port cannot be had; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Range:
    """The addresses of one network that services may have, as integers, both ends included.

    Addresses that are picked come from above `middle` first, which leaves the rest to those who name theirs (KEP-3070).
    """

    network: Network
    first: int
    middle: int
    last: int

    @classmethod
    def of(cls, cidr: str) -> Range:
        network = ipaddress.ip_network(cidr)
        size = network.num_addresses
        first = int(network.network_address) + 1
        last = int(network.broadcast_address) - (network.version == 4)
        return cls(network, first, first + (0 if size <= 16 else min(max(size // 16, 16), 256)), last)

    @property
    def family(self) -> str:
        return f"IPv{self.network.version}"

    def __contains__(self, address: int) -> bool:
        return self.first <= address <= self.last

    def candidates(self) -> Iterator[str]:
        """Every address once: the upper band from a random place on, then the lower."""
        make = type(self.network.network_address)
        for low, high in ((self.middle, self.last), (self.first, self.middle - 1)):
            if size := high - low + 1:
                start = _dice.randrange(size)
                for step in range(size):
                    yield str(make(low + (start + step) % size))


class ClusterIPs:
    """Hands out addresses of the configured ranges, and of the ServiceCIDRs that are ready."""

    def __init__(self, cidrs: Sequence[str], addresses: Store, service_cidrs: Store) -> None:
        self._ranges = tuple(map(Range.of, cidrs))
        self._addresses = addresses
        self._service_cidrs = service_cidrs
        self.families = tuple(dict.fromkeys(r.family for r in self._ranges))  # the cluster's first choice first

    async def take(self, family: str, ip: str, namespace: str, name: str, *, dry_run: bool = False) -> tuple[str, bool]:
        """An address for this service: `ip`, or any of the family. And whether it is to be given back should the
        service not come to be. Raises Unavailable.
        """
        if ip:
            return await self._take_this(family, ip, namespace, name, dry_run)
        for found in self._ranges_of(family):
            for candidate in found.candidates():
                if self._addresses.find("", candidate) is not None:
                    continue
                if dry_run or await self._create(candidate, namespace, name):
                    return candidate, not dry_run
        raise Unavailable("range is full")

    async def _take_this(self, family: str, ip: str, namespace: str, name: str, dry_run: bool) -> tuple[str, bool]:
        parsed = ipaddress.ip_address(ip)
        found = self._ranges_of(family)
        if not any(int(parsed) in r for r in found):
            valid = " or ".join(str(r.network) for r in found)
            raise Unavailable(f"the provided IP ({ip}) is not in the valid range. The range of valid IPs is {valid}")
        canonical = str(parsed)
        entry = self._addresses.find("", canonical)
        if entry is None:
            if dry_run or await self._create(canonical, namespace, name):
                return canonical, not dry_run
            entry = self._addresses.find("", canonical)
        # A service that was about to be created when the server died left its address behind: it is its own.
        if entry is not None and parent(_decode(entry.body)) == (namespace, name):
            return canonical, False
        raise Unavailable("provided IP is already allocated")

    async def give_back(self, ip: str, namespace: str, name: str) -> None:
        """Nothing happens where the address is another's by now."""
        entry = self._addresses.find("", ip)
        if entry is None or parent(_decode(entry.body)) != (namespace, name):
            return
        try:
            await self._addresses.delete(
                "", ip, Deletion(preconditions={"uid": _decode(entry.body)["metadata"]["uid"]}), Write()
            )
        except StatusError as error:
            if error.code not in (404, 409):
                raise

    def entries(self) -> list[Entry]:
        """Every IPAddress there is."""
        return self._addresses.entries()

    async def claim(self, ip: str, namespace: str, name: str) -> bool:
        """Record an address as this service's, whatever its range. False where it is recorded already."""
        return self._addresses.find("", ip) is None and await self._create(ip, namespace, name)

    async def _create(self, ip: str, namespace: str, name: str) -> bool:
        """False where somebody else was faster."""
        wanted: Object = {
            "kind": kinds.IP_ADDRESS.name,
            "apiVersion": kinds.IP_ADDRESS.api_version,
            "metadata": {"name": ip, "labels": {FAMILY_LABEL: family_of(ip), MANAGED_LABEL: MANAGER}},
            "spec": {"parentRef": {"group": "", "resource": "services", "namespace": namespace, "name": name}},
        }
        try:
            await self._addresses.create(wanted, "", Write())
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            return False
        return True

    def _ranges_of(self, family: str) -> list[Range]:
        found = list(self._ranges)
        for entry in self._service_cidrs.entries():
            service_cidr = _decode(entry.body)
            if _ready(service_cidr):
                found += map(Range.of, dig(service_cidr, "spec", "cidrs", default=()))
        return [r for r in dict.fromkeys(found) if r.family == family]


def _ready(service_cidr: Object) -> bool:
    conditions = dig(service_cidr, "status", "conditions", default=())
    return not dig(service_cidr, "metadata", "deletionTimestamp") and any(
        c.get("type") == "Ready" and c.get("status") == "True" for c in conditions
    )


def parent(address: Object) -> tuple[str, str] | None:
    """Namespace and name of the service that has this address."""
    found = dig(address, "spec", "parentRef", default={})
    if found.get("resource") != "services":
        return None
    return found.get("namespace") or "", found.get("name") or ""
