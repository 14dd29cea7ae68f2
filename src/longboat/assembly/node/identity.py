"""Who a node is in its cluster: how it joins, and the certificates it is known by, first and renewed."""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from longboat.aio.clock import Clock
from longboat.assembly import files
from longboat.assembly.errors import Failure
from longboat.client.enrolment import CLIENT, NODE_CLIENT, JoinToken, Refused, discover, obtain
from longboat.client.https import HttpsTransport
from longboat.client.kubeconfig import Access, BadKubeconfig, load, read, with_certificate
from longboat.machinery.errors import StatusError
from longboat.node.certificates import client_wish, life, network_wish, store

log = logging.getLogger(__name__)

NETWORK_KUBECONFIG = "network.kubeconfig"
PATIENCE = 60.0  # seconds for the first certificate
USER_AGENT = "kubelet/longboat-agent"  # who owns what it writes is called as upstream's
NETWORK_AGENT = "kube-proxy/longboat-agent"
REMEDY = "Repair it, or choose another: --kubeconfig FILE"


@dataclass(frozen=True)
class Identity:
    """Who the node is, where that is written down, and the transport that makes use of it."""

    node: str
    kubeconfig: Path
    server: str
    transport: HttpsTransport

    def held(self) -> tuple[datetime, datetime] | None:
        """Since and until when the node's certificate holds."""
        return _held(self.kubeconfig)

    async def taken(self) -> None:
        """Be known by the certificate that stands in the kubeconfig now. Raises OSError, ValueError."""
        try:
            user = _first(self.kubeconfig, "user")
            certificate, key = (base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key"))
        except (Failure, KeyError, IndexError, TypeError) as error:
            raise ValueError(f"no certificate and key in it: {error}") from error
        await self.transport.renew(certificate, key)

    def authority(self) -> str:
        """The cluster's CA (PEM)."""
        return base64.b64decode(_first(self.kubeconfig, "cluster")["certificate-authority-data"]).decode()

    async def use(self, certificate: bytes, key: bytes) -> None:
        """Keep a new certificate, and be known by it from now on. Raises OSError."""
        await store(self.kubeconfig, with_certificate(self.server, self.authority(), certificate, key).encode())
        await self.transport.renew(certificate, key)


def holds(kubeconfig: Path, clock: Clock) -> bool:
    """Whether there is a certificate in it that has not run out. Raises Failure for what is no kubeconfig."""
    held = _held(kubeconfig)
    return held is not None and held[1] > clock.now()


async def join(kubeconfig: Path, node: str, server: str, token_file: Path, clock: Clock) -> None:
    """Have the node known to the cluster at this URL, and write down who it is. Raises Failure."""
    server = server.rstrip("/")
    files.directory(kubeconfig.parent)
    certificate, key, authority = await _join(node, server, token_file, clock)
    pki = files.directory(kubeconfig.parent / "pki")
    files.write(pki / "ca.crt", authority)
    files.write(kubeconfig, with_certificate(server, authority, certificate, key))
    log.info("joined the cluster at %s as %s", server, node)


async def network_identity(node: Identity, clock: Clock) -> Identity:
    """Who the node is when it works for the network. Raises Failure."""
    path = node.kubeconfig.with_name(NETWORK_KUBECONFIG)
    if not holds(path, clock):
        wished = network_wish(node.node)
        try:
            certificate = await obtain(node.transport, clock, CLIENT, wished, PATIENCE)
        except (Refused, StatusError, ConnectionError) as error:
            raise Failure(f"the node gets no certificate for its network: {error}") from error
        files.write(path, with_certificate(node.server, node.authority(), certificate, wished.key))
    return Identity(node.node, path, node.server, HttpsTransport(load(path), NETWORK_AGENT, clock))


async def _join(node: str, server: str, token_file: Path, clock: Clock) -> tuple[bytes, bytes, str]:
    """Certificate, key and the cluster's CA, all PEM. Raises Failure."""
    try:
        token = JoinToken.parse(await asyncio.to_thread(token_file.read_text))
    except OSError as error:
        raise Failure(f"cannot read the token: {error}") from error
    except ValueError as error:
        raise Failure(f"{token_file}: {error}") from error
    try:
        authority = await discover(server, token.pin, clock)
        context = ssl.create_default_context(cadata=authority)
        transport = HttpsTransport(Access(server, context, token.token), USER_AGENT, clock)
        try:
            wished = client_wish(node)
            return await obtain(transport, clock, NODE_CLIENT, wished, PATIENCE), wished.key, authority
        finally:
            await transport.close()
    except Refused as error:
        raise Failure(f"cannot join: {error}") from error
    except StatusError as error:
        remedy = "A new token: longboat token create" if error.code == 401 else ""
        raise Failure(f"cannot join: {error.message}", remedy) from error
    except ConnectionError as error:
        raise Failure(
            f"cannot reach {server}: {error}", "Is the API server running, and reachable from here?"
        ) from error


def _held(kubeconfig: Path) -> tuple[datetime, datetime] | None:
    try:
        return life(base64.b64decode(_first(kubeconfig, "user")["client-certificate-data"]))
    except (FileNotFoundError, KeyError, IndexError, TypeError, ValueError):
        return None  # there is none that could be used: what is missing is asked for


def _first(kubeconfig: Path, what: str) -> Any:
    """The first of its users or clusters. Raises FileNotFoundError, KeyError, IndexError, TypeError, Failure."""
    try:
        config = read(kubeconfig)
    except FileNotFoundError:
        raise
    except (OSError, BadKubeconfig) as error:
        raise Failure(f"cannot read kubeconfig {kubeconfig}: {error}", REMEDY) from error
    if not isinstance(config, dict | None):
        raise Failure(f"{kubeconfig} is not a kubeconfig", REMEDY)
    return (config or {})[f"{what}s"][0][what]
