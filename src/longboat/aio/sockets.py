"""Sockets that notice when the other end has gone without a word."""

from __future__ import annotations

import socket
from typing import Any

DEAF = 30  # seconds after which a connection whose other end acknowledges nothing is given up


def connecting(address: tuple[Any, ...]) -> socket.socket:
    """One for a client; `address` as getaddrinfo tells it."""
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    _ask_when_at_rest(made)
    # With data under way the kernel would be patient for a quarter of an hour. (Not for servers: this also ends
    # connections whose client merely does not read on, as one does that writes to a pager.)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAF * 1000)
    return made


def listening(host: str, port: int, backlog: int) -> socket.socket:
    """One for a server at an IP address, bound; what it accepts takes after it. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.create_server((host, port), family=family, backlog=backlog)
    _ask_when_at_rest(made)
    return made


def _ask_when_at_rest(made: socket.socket) -> None:
    """tcp(7): left to itself a connection at rest outlives its other end for ever."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, DEAF // 2)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, DEAF // 6)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
