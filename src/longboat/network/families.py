"""The IP families, as nftables and the kernel spell them: what rules are the same for, but for these words."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from longboat.api.families import family_of, split
from longboat.machinery import addresses

LONGEST = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128")


@dataclass(frozen=True)
class Family:
    name: str  # the API's
    word: str  # nft's, for tables and in matches
    address: str  # nft's type of addresses
    loopback: str
    anywhere: str  # the address that stands for all of a machine's
    number: int  # the kernel's
    bits: int

    def has(self, text: str) -> bool:
        """Whether this is an address or range of the family; "" and "None" (of a headless Service) are of none.

        Nothing else gets into rules, which are text: not what was stored before it was checked, nor what never is (a
        container's hostIP).
        """
        return len(text) <= LONGEST and _kind(text) == self.name

    def first(self, listed: Iterable[str]) -> str:
        """The first of these that is of the family; "" where none is."""
        return next(filter(self.has, listed), "")

    def at(self, address: str, port: int) -> str:
        """Address and port in one."""
        return f"[{address}]:{port}" if self is IPV6 else f"{address}:{port}"


@lru_cache(maxsize=1 << 14)
def _kind(text: str) -> str:
    """The family; "" for what is no address or range, or an IPv4 one written as IPv6, which rules cannot match."""
    try:
        found = addresses.network(text)
    except ValueError:
        return ""
    return family_of(text) if (found.version == 6) == (":" in text) else ""


IPV4 = Family("IPv4", "ip", "ipv4_addr", "127.0.0.0/8", "0.0.0.0", socket.AF_INET, 32)
IPV6 = Family("IPv6", "ip6", "ipv6_addr", "::1", "::", socket.AF_INET6, 128)
FAMILIES = (IPV4, IPV6)


def family(text: str) -> Family:
    """Of an address or range."""
    return IPV6 if IPV6.has(text) else IPV4


def is_address(text: str) -> bool:
    """Whether it is one address of either family, and nothing else."""
    return "/" not in text and (IPV4.has(text) or IPV6.has(text))


def ranges_by_family(ranges: str) -> dict[Family, str]:
    """Of a comma-separated list, the primary first."""
    return {family(each): each for each in split(ranges)}
