"""At which ports a node itself listens: rules must not lead these away to somebody's pods."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path

from longboat.network.families import FAMILIES, IPV4, Family

NET = Path("/proc/net")
LISTENS, UNCONNECTED = "0A", "07"  # TCP_LISTEN, and TCP_CLOSE, which is UDP's for "anybody may send" (net/tcp_states.h)
STATES = {"tcp": LISTENS, "tcp6": LISTENS, "udp": UNCONNECTED, "udp6": UNCONNECTED}

Listener = tuple[str, int, str]
"""Protocol ("TCP" or "UDP"), port, and address: "" for any."""


def read(net: Path = NET) -> frozenset[Listener]:
    """Of this network namespace (blocking)."""
    found = set[Listener]()
    for name in STATES:
        if (net / name).exists():  # not without IPv6
            with (net / name).open(encoding="ascii") as lines:
                found.update(parse(lines, name))
    return frozenset(found)


def parse(lines: Iterable[str], name: str) -> Iterator[Listener]:
    """Of a table of sockets as the kernel shows it. TCP's has the listening ones first: the rest is not looked at."""
    rows = (line.split() for line in lines if not line.lstrip().startswith("sl"))
    state = STATES[name]
    for row in takewhile(lambda row: row[3] == LISTENS, rows) if state == LISTENS else rows:
        address, _, port = row[1].partition(":")
        at = _address(address)
        if row[3] == state:
            yield name[:3].upper(), int(port, 16), "" if at in ("0.0.0.0", "::") else at


def taken(listeners: Iterable[Listener], addresses: Iterable[str]) -> frozenset[tuple[str, int]]:
    """Protocols and ports that are not free at these addresses of the node: somebody listens there, or at any."""
    own = {"", *addresses}
    return frozenset((protocol, port) for protocol, port, at in listeners if at in own)


def taken_inside(listeners: Iterable[Listener], family: Family) -> frozenset[tuple[str, int]]:
    """Likewise of what the node asks itself at loopback."""
    return frozenset((p, port) for p, port, at in listeners if not at or is_loopback(at, family))


def is_loopback(address: str, family: Family) -> bool:
    return address.startswith("127.") if family is IPV4 else address == family.loopback


def _address(digits: str) -> str:
    """From the kernel's: words of 32 bits in the machine's byte order."""
    words = [bytes.fromhex(digits[i : i + 8])[::-1] for i in range(0, len(digits), 8)]
    (family,) = (each for each in FAMILIES if each.bits == 32 * len(words))
    packed = b"".join(words)
    if packed[:12] == b"\0" * 10 + b"\xff\xff":
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(family.number, packed)
