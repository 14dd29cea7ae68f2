"""Ports that pods ask of their node, and whether two of them can be had at once."""

from __future__ import annotations

HostPort = tuple[str, str, int]  # protocol, host IP ("0.0.0.0" for any), port

ANY_IP = "0.0.0.0"


def clashes(one: HostPort, other: HostPort) -> bool:
    """Whether both cannot be bound on one node: any address clashes with every address."""
    same_port = one[0] == other[0] and one[2] == other[2]
    return same_port and (one[1] == other[1] or ANY_IP in (one[1], other[1]))
