"""The API server's way to a node's own port: TLS in both directions, to an address checked as it is used."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from longboat.aio import http1
from longboat.aio.clock import Clock
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, dig

PORT = 10250
CONNECT, ANSWER = 10.0, 10.0  # seconds
MOST = 16 << 20  # bytes of an answer
PREFERRED = ("InternalIP", "ExternalIP")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens. Always a literal: nothing is looked up between the check and the connection."""

    host: str
    port: int


def address_of(node: Object) -> Address:
    """Raises StatusError where the node has no address, or one that must not be connected to (security lesson 4).

    Loopback is where simulated nodes are; what else listens there cannot show a certificate with the node's name.
    """
    name = dig(node, "metadata", "name", default="")
    listed = dig(node, "status", "addresses", default=[])
    by_type = {entry.get("type"): entry.get("address", "") for entry in reversed(listed)}
    host = next((by_type[kind] for kind in PREFERRED if by_type.get(kind)), "")
    if not host:
        raise unreachable(f"no preferred addresses found; known addresses: {[e.get('address') for e in listed]}")
    port = dig(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port", default=PORT)
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        raise unreachable(f"the address of node {name} is not an IP address") from None
    if parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast:
        raise unreachable(f"address not allowed: {host}")
    return Address(host, port)


def unreachable(why: str) -> StatusError:
    message = f"Internal error occurred: {why}"
    return StatusError(500, "InternalError", message, {"causes": [{"message": why}]})


class NodeConnections:
    """Dials nodes with the API server's client certificate; a node must show one of the cluster's CA with its name.

    So whoever may write a Node's addresses still cannot lead the API server, with its powers, to anything else: not
    even to itself.
    """

    def __init__(self, authority: Path, certificate: Path, key: Path, clock: Clock) -> None:
        self._clock = clock
        self._context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(authority))
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(certificate, key)

    async def summary(self, node: Object) -> bytes:
        """What the node and its pods use (stats/v1alpha1 Summary). Raises StatusError."""
        reader, writer = await self.open(node)
        try:
            async with self._clock.timeout(ANSWER):
                headers = [("Host", node["metadata"]["name"]), ("Connection", "close")]
                writer.write(http1.encode_request("GET", "/stats/summary", headers))
                await writer.drain()
                head = await http1.read_response(reader)
                body = await http1.read_body(reader, head, MOST)
        except (http1.BadMessage, OSError, TimeoutError) as error:
            raise unreachable(f"error reading from backend: {error}") from error
        finally:
            writer.close()
        if head.status != HTTPStatus.OK:
            raise unreachable(f"the node answers {head.status}")
        return body

    async def open(self, node: Object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises StatusError."""
        address = address_of(node)
        try:
            async with self._clock.timeout(CONNECT):
                return await asyncio.open_connection(
                    address.host, address.port, ssl=self._context, server_hostname=node["metadata"]["name"]
                )
        except (OSError, TimeoutError) as error:
            why = f"error dialing backend: dial tcp {address.host}:{address.port}: {error or 'i/o timeout'}"
            raise unreachable(why) from error
