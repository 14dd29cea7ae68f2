"""Who has which address on a local cluster's bridge. Pure, and of light imports: the command line starts with it."""

from __future__ import annotations

import socket

from longboat.api.families import family_of, split

POOL = 32  # addresses for load balancers
IMAGINED_POOL = "198.51.100.0/24"  # the same where all nodes are simulated: nothing ever goes there (RFC 5737)
FIRST_NODE = 10  # node-1 is .11: room below for the host's leg and what else the bridge may carry
MOST_PODS = 254  # addresses a node gives to pods of a range that has more: as many as an IPv4 node's /24 has


def _kind(text: str) -> tuple[int, int]:
    """The kernel's number of its family, and the bits of an address."""
    return (socket.AF_INET6, 128) if ":" in text else (socket.AF_INET, 32)


def number(address: str) -> int:
    """An address as a number. Raises ValueError."""
    try:
        return int.from_bytes(socket.inet_pton(_kind(address)[0], address), "big")
    except OSError as error:
        raise ValueError(f"{address!r} is not an IP address") from error


def size(cidr: str) -> int:
    """How many addresses a range has."""
    return 1 << (_kind(cidr)[1] - prefix(cidr))


def prefix(cidr: str) -> int:
    return int(cidr.partition("/")[2])


def nth(cidr: str, index: int) -> str:
    """The address `index` places into a range. Raises ValueError past its end."""
    base, (kind, bits) = cidr.partition("/")[0], _kind(cidr)
    if not 0 <= index < size(cidr):
        raise ValueError(f"{cidr} has no address number {index}")
    return socket.inet_ntop(kind, (number(base) + index).to_bytes(bits // 8, "big"))


def overlap(one: str, other: str) -> bool:
    """Whether two ranges share an address."""
    if family_of(one) != family_of(other):
        return False
    shift = _kind(one)[1] - min(prefix(one), prefix(other))
    return number(one.partition("/")[0]) >> shift == number(other.partition("/")[0]) >> shift


def is_within(address: bytes, cidr: str) -> bool:
    """Whether an address, as in a packet, is of a range; nothing is of ""."""
    if not cidr or 8 * len(address) != _kind(cidr)[1]:
        return False
    shift = 8 * len(address) - prefix(cidr)
    return int.from_bytes(address, "big") >> shift == number(cidr.partition("/")[0]) >> shift


def host_address(cidr: str) -> str:
    """The host's leg on the bridge, which is the nodes' gateway."""
    return nth(cidr, 1)


def load_balancer_pool(cidr: str) -> str:
    """The end of the nodes' range, which no node reaches: for load balancers."""
    return f"{nth(cidr, size(cidr) - POOL)}/{_kind(cidr)[1] - POOL.bit_length() + 1}"


def node_address(cidr: str, index: int) -> str:
    """The address of the node with this index, counted from 1."""
    return nth(cidr, FIRST_NODE + index)


def last_pod(cidr: str) -> int:
    """The number of the last address that a node whose pods have this range gives away (the first is number 1)."""
    return min(size(cidr) - 2, MOST_PODS) if family_of(cidr) == "IPv6" else size(cidr) - 2


def node_addresses(cidrs: str, index: int) -> tuple[str, ...]:
    """The same in each of the nodes' ranges."""
    return tuple(node_address(cidr, index) for cidr in split(cidrs))
