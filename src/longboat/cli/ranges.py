"""Ranges of addresses as flags: one, or two of different families, with a comma between."""

from __future__ import annotations

import ipaddress

from longboat.api.families import family_of, split
from longboat.cli.errors import Usage
from longboat.machinery import addresses


def checked(flag: str, text: str) -> str:
    """The ranges as they are to be passed on, the primary first. Raises Usage."""
    ranges = split(text)
    if not ranges:
        raise Usage(f"{flag} must contain at least one valid cidr")
    if len(ranges) > 2:
        raise Usage(f"{flag} must not contain more than two entries")
    for each in ranges:
        try:
            ipaddress.ip_network(each)
        except ValueError as error:
            raise Usage(f"{flag}: {each!r} is not a valid cidr: {error}") from error
        if "/" not in each:
            raise Usage(f"{flag}: {each!r} is not a valid cidr: it has no prefix length")
    _of_different_families(flag, ranges)
    return ",".join(ranges)


def checked_addresses(flag: str, text: str) -> tuple[str, ...]:
    """A node's addresses, the primary first. Raises Usage."""
    found = []
    for each in split(text):
        try:
            found.append(str(addresses.parse(each)))
        except ValueError as error:
            raise Usage(f"{flag}: {each!r} is not an IP address") from error
    if len(found) > 2:
        raise Usage(f"{flag} must contain either a single IP or a dual-stack pair of IPs")
    _of_different_families(flag, tuple(found))
    return tuple(found)


def _of_different_families(flag: str, listed: tuple[str, ...]) -> None:
    if len({family_of(each) for each in listed}) < len(listed):
        raise Usage(f"{flag}[0] and {flag}[1] must be of different IP family")
