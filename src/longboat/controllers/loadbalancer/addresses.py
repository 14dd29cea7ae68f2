"""Which addresses a Service gets. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection


class NoAddress(Exception):
    """There is none to give; the message says why."""


def from_pool(pool: str, taken: Collection[str], wanted: str = "") -> str:
    """`wanted`, or the first address of the range that is free. Raises NoAddress."""
    network = ipaddress.ip_network(pool)
    if wanted:
        try:
            inside = ipaddress.ip_address(wanted) in network
        except ValueError:
            inside = False
        if not inside:
            raise NoAddress(f"{wanted} is not in {pool}")
        if wanted in taken:
            raise NoAddress(f"{wanted} is in use")
        return wanted
    for address in network:
        # The last one of the nodes' network, at whose end the pool may lie, is for broadcasts.
        if str(address) not in taken and address != network.broadcast_address:
            return str(address)
    raise NoAddress(f"no address of {pool} is free")
