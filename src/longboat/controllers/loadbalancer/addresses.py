"""Which addresses a Service gets. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence

from longboat.api.families import family_of, of_family
from longboat.machinery import addresses


class NoAddress(Exception):
    """There is none to give; the message says why."""


def from_pools(
    pools: str, families: Sequence[str], has: Sequence[str], taken: Collection[str], wanted: str = ""
) -> list[str]:  # fmt: skip
    """An address of each family that there is a pool for, the primary first: those it `has`, or new ones.

    What it has is kept if it is in the pool, which may have been another when it was given. `wanted` is the one it asks
    for by name. Raises NoAddress.
    """
    served = [family for family in families if of_family(family, pools)]
    if not served:
        raise NoAddress(f"there is no pool of {' or '.join(families)} addresses")
    if wanted and family_of(wanted) not in served:
        raise NoAddress(f"{wanted} is not in {pools}")
    found = []
    for family in served:
        own, asked = of_family(family, has), of_family(family, (wanted,))
        keep = own and asked in ("", own) and is_in(own, of_family(family, pools))
        found.append(own if keep else from_pool(of_family(family, pools), taken, asked))
    return found


def is_in(address: str, pool: str) -> bool:
    try:
        return addresses.parse(address) in ipaddress.ip_network(pool)
    except ValueError:
        return False


def from_pool(pool: str, taken: Collection[str], wanted: str = "") -> str:
    """`wanted`, or the first address of the range that is free. Raises NoAddress."""
    network = ipaddress.ip_network(pool)
    if wanted:
        try:
            found = addresses.parse(wanted)
        except ValueError:
            raise NoAddress(f"{wanted} is not in {pool}") from None
        if found not in network:
            raise NoAddress(f"{wanted} is not in {pool}")
        if str(found) in taken:  # in the one form in which it is taken, however it is asked for
            raise NoAddress(f"{wanted} is in use")
        return str(found)
    for address in network:
        # The last one of the nodes' network, at whose end the pool may lie, is for broadcasts.
        if str(address) not in taken and address != network.broadcast_address:
            return str(address)
    raise NoAddress(f"no address of {pool} is free")
