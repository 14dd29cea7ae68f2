"""Who has which address on a local cluster's bridge. Pure, and free of imports: the command line starts with it."""

from __future__ import annotations

POOL = 32  # addresses for load balancers
FIRST_NODE = 10  # node-1 is .11: room below for the host's leg and what else the bridge may carry


def number(address: str) -> int:
    """An IPv4 address as a number. Raises ValueError."""
    octets = [int(octet) for octet in address.split(".")]
    if len(octets) != 4 or not all(0 <= octet <= 255 for octet in octets):
        raise ValueError(f"{address!r} is not an IPv4 address")
    return int.from_bytes(bytes(octets), "big")


def nth(cidr: str, index: int) -> str:
    """The address `index` places into an IPv4 range. Raises ValueError past its end."""
    base, _, bits = cidr.partition("/")
    if not 0 <= index < 1 << (32 - int(bits)):
        raise ValueError(f"{cidr} has no address number {index}")
    return ".".join(map(str, (number(base) + index).to_bytes(4, "big")))


def overlap(one: str, other: str) -> bool:
    """Whether two IPv4 ranges share an address."""
    (a, _, a_bits), (b, _, b_bits) = one.partition("/"), other.partition("/")
    shift = 32 - min(int(a_bits), int(b_bits))
    return number(a) >> shift == number(b) >> shift


def host_address(cidr: str) -> str:
    """The host's leg on the bridge, which is the nodes' gateway."""
    return nth(cidr, 1)


def load_balancer_pool(cidr: str) -> str:
    """The end of the nodes' range, which no node reaches: for load balancers."""
    size = 1 << (32 - int(cidr.partition("/")[2]))
    return f"{nth(cidr, size - POOL)}/{32 - POOL.bit_length() + 1}"


def node_address(cidr: str, index: int) -> str:
    """The address of the node with this index, counted from 1."""
    return nth(cidr, FIRST_NODE + index)
