"""Which nodes may answer for the addresses of load balancers and Ingresses. Pure."""

from __future__ import annotations

from longboat.machinery import addresses

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"  # a label, whatever its value (well-known labels)


def is_near_only(address: str) -> bool:
    """Whether it leads nowhere but to the machine that uses it: the address of nodes that are only simulated."""
    try:
        return addresses.parse(address).is_loopback
    except ValueError:
        return False
