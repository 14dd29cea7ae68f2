"""The DNS service's address as one of the node's own: on the loopback interface, so nobody else's packets see it."""

from __future__ import annotations

from longboat.network.netlink import IPRoute, NetlinkError

ABSENT = 99  # EADDRNOTAVAIL


def claim(address: str) -> None:
    """Fine where it is there already. Blocks; raises OSError."""
    _change("replace", address)


def release(address: str) -> None:
    """Fine where it is gone. Blocks; raises OSError."""
    try:
        _change("del", address)
    except OSError as error:
        if error.errno != ABSENT:
            raise


def _change(what: str, address: str) -> None:
    try:
        with IPRoute() as ip:
            lo = ip.link_lookup(ifname="lo")[0]
            ip.addr(what, index=lo, address=address, prefixlen=128 if ":" in address else 32)
    except NetlinkError as error:
        raise OSError(error.code, str(error)) from error
