"""The API server's way to a node's own port: TLS in both directions, to an address checked as it is used."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.aio.http import client as http1
from longboat.apiserver.dial import Connection, Dialer, NotAllowed
from longboat.apiserver.pki import Pair
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, dig

PORT = 10250
ANSWER = 10.0  # seconds
MOST = 16 << 20  # bytes of an answer
PREFERRED = ("InternalIP", "ExternalIP")
SIMULATED_AT, SIMULATED_AS = "127.0.0.1", (("commonName", "system:longboat:simulated-nodes"),)

Subject = tuple[tuple[str, str], ...]
"""Attributes and their values, sorted."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens. Always a literal: nothing is looked up between the check and the connection."""

    host: str
    port: int


def address_of(node: Object) -> Address:
    """Raises StatusError where the node has told no address."""
    listed = dig(node, "status", "addresses", default=[])
    by_type = {entry.get("type"): entry.get("address", "") for entry in reversed(listed)}
    host = next((by_type[kind] for kind in PREFERRED if by_type.get(kind)), "")
    if not host:
        raise unreachable(f"no preferred addresses found; known addresses: {[e.get('address') for e in listed]}")
    return Address(host, dig(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port", default=PORT))


def unreachable(why: str) -> StatusError:
    message = f"Internal error occurred: {why}"
    return StatusError(500, "InternalError", message, {"causes": [{"message": why}]})


class NodeConnections:
    """Dials nodes with a client certificate; a node must show one of the nodes' own authority that says which it is.

    So whoever may write a Node's addresses cannot lead the API server, with what it may, to anything but that node: the
    names a certificate is good for count for nothing, and nothing but nodes' certificates comes from `authority`.
    `simulated_port` is where on 127.0.0.1 the agent of the simulated nodes is, as the owner of the cluster has said.
    """

    def __init__(self, authority: Path, client: Pair, clock: Clock, dialer: Dialer, simulated_port: int = 0) -> None:
        self._clock, self._dialer = clock, dialer
        self._simulated = Address(SIMULATED_AT, simulated_port)
        self._context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(authority))
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.check_hostname = False  # its subject is what is looked at, below
        self._client = client
        self.renewed()

    def renewed(self) -> None:
        """Take the client certificate from its files again. Raises OSError."""
        self._context.load_cert_chain(self._client.certificate, self._client.key)

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

    async def open(self, node: Object) -> Connection:
        """Raises StatusError."""
        at, name = address_of(node), node["metadata"]["name"]
        simulated = at == self._simulated
        try:
            connection = await self._dialer.open(at.host, at.port, self._context, local=simulated)
        except NotAllowed as error:
            raise unreachable(str(error)) from error
        except (OSError, TimeoutError) as error:
            why = f"error dialing backend: dial tcp {at.host}:{at.port}: {error or 'i/o timeout'}"
            raise unreachable(why) from error
        if _subject(connection) != (SIMULATED_AS if simulated else subject_of(name)):
            connection[1].close()
            raise unreachable(f"error dialing backend: the certificate at {at.host}:{at.port} is not node {name}'s")
        return connection


def subject_of(node: str) -> Subject:
    """Of a node's certificates (Certificates API, `kubernetes.io/kubelet-serving`)."""
    return (("commonName", f"system:node:{node}"), ("organizationName", "system:nodes"))


def _subject(connection: Connection) -> Subject:
    certificate = connection[1].get_extra_info("peercert") or {}
    return tuple(sorted(pair for parts in certificate.get("subject", ()) for pair in parts))
