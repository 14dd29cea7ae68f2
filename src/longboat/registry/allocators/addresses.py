"""Cluster IPs: one IPAddress object per address (KEP-1880), so that creating it is the race that only one can win."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from itertools import islice

import msgspec

from longboat.api import kinds
from longboat.api.families import family_of
from longboat.api.service_ranges import FAMILY_LABEL, MANAGED_LABEL, MANAGER, Range
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, dig
from longboat.registry.store import Store
from longboat.registry.strategy import Deletion
from longboat.registry.write import Write
from longboat.storage.entry import Entry

OWN = "kubernetes"  # the ServiceCIDR of what API servers were told
PROBES = 64  # addresses of a range that are tried before the next range is: one that is full costs no more

_decode = msgspec.json.Decoder().decode


class Unavailable(Exception):
    """An address or port cannot be had; the message is upstream's."""


class ClusterIPs:
    """Hands out addresses of the ServiceCIDRs that are ready.

    `cidrs` is what this server was told: the families that Services can have, the cluster's first choice first.
    """

    def __init__(self, cidrs: Sequence[str], addresses: Store, service_cidrs: Store) -> None:
        self._told = tuple(map(Range.of, cidrs))
        self._addresses = addresses
        self._service_cidrs = service_cidrs
        self.families = tuple(dict.fromkeys(r.family for r in self._told))

    async def take(self, family: str, ip: str, namespace: str, name: str, *, dry_run: bool = False) -> tuple[str, bool]:
        """An address for this service: `ip`, or any of the family. And whether it is to be given back should the
        service not come to be. Raises Unavailable.
        """
        if ip:
            return await self._take_this(family, ip, namespace, name, dry_run)
        ranges = self._ranges_of(family)
        for probes in (PROBES, None):
            for found in ranges:
                for candidate in islice(found.candidates(), probes):
                    if self._addresses.find("", candidate) is not None:
                        continue
                    if dry_run or await self._create(candidate, namespace, name):
                        return candidate, not dry_run
        raise Unavailable("range is full")

    async def _take_this(self, family: str, ip: str, namespace: str, name: str, dry_run: bool) -> tuple[str, bool]:
        parsed = ipaddress.ip_address(ip)
        if not any(each.has(parsed) for each in self._ranges_of(family)):
            raise Unavailable("the provided network does not match the current range")
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
        """Of all ServiceCIDRs that are ready; while this server's own is not there yet, what it was told too."""
        found: list[Range] = []
        if self._service_cidrs.find("", OWN) is None:
            found += self._told
        for entry in self._service_cidrs.entries():
            service_cidr = _decode(entry.body)
            if _ready(service_cidr):
                found += map(Range.of, dig(service_cidr, "spec", "cidrs", default=()))
        return [r for r in dict.fromkeys(found) if r.family == family]


def _ready(service_cidr: Object) -> bool:
    """Where nobody has said anything it is: no controllers may be running."""
    if dig(service_cidr, "metadata", "deletionTimestamp"):
        return False
    conditions = dig(service_cidr, "status", "conditions", default=())
    return next((c.get("status") == "True" for c in conditions if c.get("type") == "Ready"), True)


def parent(address: Object) -> tuple[str, str] | None:
    """Namespace and name of the service that has this address."""
    found = dig(address, "spec", "parentRef", default={})
    if found.get("resource") != "services":
        return None
    return found.get("namespace") or "", found.get("name") or ""
