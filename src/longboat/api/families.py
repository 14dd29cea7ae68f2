"""IP families: of which an address or range is, and the one or two ranges a cluster has of a kind. Pure, and light."""

from __future__ import annotations

from collections.abc import Iterable

IPV4, IPV6 = "IPv4", "IPv6"
DNS_INDEX = 10  # of the cluster's DNS in each range of Services' addresses, as everybody has it


def family_of(text: str) -> str:
    """Of an address or range."""
    return IPV6 if ":" in text else IPV4


def split(ranges: str) -> tuple[str, ...]:
    """The ranges (or addresses) of a comma-separated list, the primary first."""
    return tuple(each.strip() for each in ranges.split(",") if each.strip())


def of_family(family: str, listed: str | Iterable[str]) -> str:
    """The first of these that is of the family; "" where none is."""
    items = split(listed) if isinstance(listed, str) else listed
    return next((each for each in items if each and family_of(each) == family), "")


def primary_first(addresses: Iterable[str], primary: str) -> tuple[str, ...]:
    """With those of the family of `primary` (an address, range or family) in front, else in their order."""
    wanted = primary if primary in (IPV4, IPV6) else family_of(primary)
    return tuple(sorted(addresses, key=lambda each: family_of(each) != wanted))


def in_url(address: str) -> str:
    """As it stands before a port."""
    return f"[{address}]" if ":" in address else address
