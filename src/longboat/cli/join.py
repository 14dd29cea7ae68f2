"""How `longboat agent` becomes a node of a cluster, and stays one: its certificates, first and renewed."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from longboat.aio.clock import Clock
from longboat.assembly import files
from longboat.cli.errors import Failure, Usage

if TYPE_CHECKING:
    from longboat.cli.agent_options import Options
    from longboat.client.https import HttpsTransport

log = logging.getLogger(__name__)

KUBECONFIG, NETWORK_KUBECONFIG = "kubelet.kubeconfig", "network.kubeconfig"
PATIENCE = 60.0  # seconds for the first certificate


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
        from longboat.cli import kubeconfigs

        try:
            user = kubeconfigs.read(self.kubeconfig)["users"][0]["user"]
            certificate, key = (_decoded(user[f"client-{part}-data"]) for part in ("certificate", "key"))
        except (Failure, KeyError, IndexError, TypeError) as error:
            raise ValueError(f"no certificate and key in it: {error}") from error
        await self.transport.renew(certificate, key)

    def authority(self) -> str:
        """The cluster's CA (PEM)."""
        from longboat.cli import kubeconfigs

        cluster = kubeconfigs.read(self.kubeconfig)["clusters"][0]["cluster"]
        return _decoded(cluster["certificate-authority-data"]).decode()

    async def use(self, certificate: bytes, key: bytes) -> None:
        """Keep a new certificate, and be known by it from now on. Raises OSError."""
        from longboat.client.kubeconfig import with_certificate
        from longboat.node.certificates import store

        await store(self.kubeconfig, with_certificate(self.server, self.authority(), certificate, key).encode())
        await self.transport.renew(certificate, key)


async def kubeconfig(options: Options, clock: Clock) -> Path:
    """The node's kubeconfig; joins the cluster where there is none, or its certificate has run out. Raises Failure."""
    path = Path(options.data_dir, KUBECONFIG)
    held = _held(path)
    if held is not None and held[1] > clock.now():
        return path
    if not options.server or not options.token_file:
        remedy = "Join again: longboat agent --server URL --token-file FILE"
        raise Usage("the node has no certificate that holds", remedy)
    files.directory(Path(options.data_dir))
    certificate, key, authority = await _join(options, clock)
    from longboat.client.kubeconfig import with_certificate

    pki = files.directory(Path(options.data_dir) / "pki")
    files.write(pki / "ca.crt", authority)
    files.write(path, with_certificate(options.server.rstrip("/"), authority, certificate, key))
    log.info("joined the cluster at %s as %s", options.server, options.node_name)
    return path


async def network(options: Options, node: Identity, clock: Clock) -> Identity:
    """Who the node is when it works for the network. Raises Failure."""
    from longboat.client.enrolment import CLIENT, Refused, obtain
    from longboat.client.https import HttpsTransport
    from longboat.client.kubeconfig import load, with_certificate
    from longboat.machinery.errors import StatusError
    from longboat.node.certificates import network_wish

    path = node.kubeconfig.with_name(NETWORK_KUBECONFIG)
    held = _held(path)
    if held is None or held[1] <= clock.now():
        wished = network_wish(options.node_name)
        try:
            certificate = await obtain(node.transport, clock, CLIENT, wished, PATIENCE)
        except (Refused, StatusError, ConnectionError) as error:
            raise Failure(f"the node gets no certificate for its network: {error}") from error
        files.write(path, with_certificate(node.server, node.authority(), certificate, wished.key))
    return Identity(options.node_name, path, node.server, HttpsTransport(load(path), "longboat-agent", clock))


async def _join(options: Options, clock: Clock) -> tuple[bytes, bytes, str]:
    """Certificate, key and the cluster's CA, all PEM. Raises Failure."""
    from longboat.client.enrolment import NODE_CLIENT, JoinToken, Refused, discover, obtain
    from longboat.client.https import HttpsTransport
    from longboat.client.kubeconfig import Access
    from longboat.machinery.errors import StatusError
    from longboat.node.certificates import client_wish

    server = options.server.rstrip("/")
    try:
        token = JoinToken.parse(await asyncio.to_thread(Path(options.token_file).read_text))
    except OSError as error:
        raise Failure(f"cannot read the token: {error}") from error
    except ValueError as error:
        raise Failure(f"{options.token_file}: {error}") from error
    try:
        authority = await discover(server, token.pin, clock)
        context = ssl.create_default_context(cadata=authority)
        transport = HttpsTransport(Access(server, context, token.token), "longboat-agent", clock)
        try:
            wished = client_wish(options.node_name)
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
    from longboat.cli import kubeconfigs
    from longboat.node.certificates import life

    with suppress(FileNotFoundError, KeyError, IndexError, TypeError, ValueError):
        user = kubeconfigs.read(kubeconfig)["users"][0]["user"]
        return life(_decoded(user["client-certificate-data"]))
    return None


def _decoded(text: str) -> bytes:
    import base64

    return base64.b64decode(text)
