"""Ranges that Services get their addresses from, and how an IPAddress says whose it is (KEP-1880). Pure."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator
from dataclasses import dataclass

MANAGER = "ipallocator.k8s.io"
FAMILY_LABEL, MANAGED_LABEL = "ipaddress.kubernetes.io/ip-family", "ipaddress.kubernetes.io/managed-by"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_dice = random.SystemRandom()


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

    def has(self, address: Address) -> bool:
        return address.version == self.network.version and self.first <= int(address) <= self.last

    def candidates(self) -> Iterator[str]:
        """Every address once: the upper band from a random place on, then the lower."""
        make = type(self.network.network_address)
        for low, high in ((self.middle, self.last), (self.first, self.middle - 1)):
            if size := high - low + 1:
                start = _dice.randrange(size)
                for step in range(size):
                    yield str(make(low + (start + step) % size))
