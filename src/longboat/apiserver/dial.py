"""The one way by which the API server connects to what somebody else has named: a node, a pod, a Service's endpoint.

What is judged is the literal that is then connected to: no name is looked up in between (CVE-2020-8562).
An extension server is dialled as a pod is; a webhook by URL, whose administrator may mean this machine, as `local`.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Collection, Iterable

from longboat.aio.clock import Clock
from longboat.aio.http.kept import Connection as Connection
from longboat.machinery import addresses
from longboat.machinery.addresses import IPAddress

CONNECT = 10.0  # seconds, TLS included


class NotAllowed(Exception):
    """The address is this machine's own, or that of no machine. Says which and why."""


class Dialer:
    """`own_ports` are this server's, its store's and its metrics': nothing leads to them on any of this machine's
    addresses. `services` gives the ranges of Services, from where a node's rules could lead back here as well."""

    def __init__(
        self, clock: Clock, own_ports: Collection[int] = (), services: Callable[[], Iterable[str]] = tuple
    ) -> None:
        self._clock = clock
        self._own_ports = frozenset(own_ports)
        self._services = services

    def check(self, host: str, port: int, *, local: bool = False) -> IPAddress:
        """The address to connect to. `local`: it may be on this machine. Raises NotAllowed."""
        try:
            address = addresses.parse(host)
        except ValueError:
            raise NotAllowed(f"{host!r} is not an IP address") from None
        kind = addresses.special(address)
        if kind and not (local and kind == "loopback"):
            raise NotAllowed(f"address not allowed: {host} ({kind})")
        if not 0 < port < 1 << 16:
            raise NotAllowed(f"{port} is not a port")
        if local:
            return address
        if any(address in network for network in map(addresses.network, self._services())):
            raise NotAllowed(f"address not allowed: {host} (of Services)")
        if port in self._own_ports and is_own(address):
            raise NotAllowed(f"address not allowed: {host} (this server's own, at its port {port})")
        return address

    async def open(
        self, host: str, port: int, context: ssl.SSLContext | None = None, *, local: bool = False,
        name: str | None = None,
    ) -> Connection:  # fmt: skip
        """`name`: whom the certificate has to be of, if not the address. Raises NotAllowed, OSError, TimeoutError."""
        address = self.check(host, port, local=local)
        async with self._clock.timeout(CONNECT):
            return await asyncio.open_connection(
                str(address), port, ssl=context, flags=socket.AI_NUMERICHOST, server_hostname=name if context else None
            )


def is_own(address: IPAddress) -> bool:
    """Whether this machine has the address now, on whichever interface. Unknown counts as yes."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


def untrusted(error: ssl.SSLCertVerificationError) -> str:
    """In the words of Go's crypto/tls."""
    if error.verify_code in (18, 19, 20, 21):  # X509_V_ERR_…: self-signed, or without an issuer that is known
        why = "certificate signed by unknown authority"
    else:
        why = error.verify_message
    return f"tls: failed to verify certificate: x509: {why}"
