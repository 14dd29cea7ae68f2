"""What a node's certificates are good for: it reports its own addresses, and may so ask for what is not its own."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from attack.joining import CSRS, MERGE, Joiner, ask, join_token
from integration.apiserver.process import ControlPlane, control_plane
from longboat.aio.clock import SystemClock
from longboat.api.certificates import CLIENT, SERVER
from longboat.apiserver.dial import Dialer
from longboat.apiserver.pki import Authority, Pair, Pki
from longboat.apiserver.streams.nodes import NodeConnections
from longboat.client.enrolment import NODE_SERVING, USAGES, wish
from longboat.machinery import addresses
from longboat.machinery.addresses import IPAddress
from longboat.machinery.errors import StatusError
from longboat.node.certificates import stop_gap

ADVERTISED, OTHER_NODE = "192.0.2.1", "192.0.2.8"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane"), "--advertise", ADVERTISED) as found:
        join_token(found)
        yield found


def reports(plane: ControlPlane, node: str, who: ssl.SSLContext, *ips: str) -> None:
    """Have the node say that these are its addresses."""
    plane.ask("POST", "/api/v1/nodes", {"metadata": {"name": node}, "spec": {}}, context=who)
    told = {"status": {"addresses": [{"type": "InternalIP", "address": ip} for ip in ips]}}
    assert plane.ask("PATCH", f"/api/v1/nodes/{node}/status", told, context=who, **MERGE)[0] == 200


def test_a_node_gets_no_certificate_for_anything_but_itself(plane: ControlPlane, tmp_path: Path) -> None:
    """It reports 10.96.0.1, waits a second, and holds a certificate by which pods take it for the API server."""
    node = Joiner(plane, "n").context(tmp_path)
    other = Joiner(plane, "other").context(tmp_path)
    reports(plane, "other", other, OTHER_NODE)
    strange = ["10.96.0.1", "::ffff:10.96.0.1", "10.244.0.5", "127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254"]
    reports(plane, "n", node, *strange, OTHER_NODE, "192.0.2.7", "kubernetes.default.svc")
    wanted = [[ip] for ip in (*strange, OTHER_NODE, "192.0.2.9")]
    wanted += [["n", name] for name in ("kubernetes.default.svc", "localhost", "other", "*.n", "10.96.0.1")]
    made = []
    for hosts in wanted:
        request = base64.b64encode(wish("system:node:n", ["system:nodes"], hosts).request).decode()
        spec = {"request": request, "signerName": NODE_SERVING, "usages": USAGES[NODE_SERVING]}
        code, found, _ = plane.ask("POST", CSRS, {"metadata": {"generateName": "x-"}, "spec": spec}, context=node)
        assert code == 201, found
        made.append((hosts, found["metadata"]["name"]))
    time.sleep(2.5)  # the approver looks again every second: it may not have seen the addresses yet
    for hosts, name in made:
        assert not plane.ask("GET", f"{CSRS}/{name}")[1].get("status"), hosts


def test_what_a_node_serves_with_is_trusted_by_no_client_of_the_api(plane: ControlPlane, tmp_path: Path) -> None:
    """Its own name, and even the address it shares with the API server: what signs it vouches for nodes alone."""
    node = Joiner(plane, "shares").context(tmp_path)
    reports(plane, "shares", node, ADVERTISED)
    wished = wish("system:node:shares", ["system:nodes"], ["shares", ADVERTISED])
    certificate = base64.b64decode(ask(plane, NODE_SERVING, wished, node)["certificate"])
    made = tmp_path / "made.pem"
    made.write_bytes(certificate + wished.key)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), plane.context(client=False)
    server.load_cert_chain(made)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(client, server)
    # Who reads nodes is told whom to trust instead.
    told = plane.ask("GET", "/api/v1/namespaces/kube-system/configmaps/kubelet-serving-ca")[1]["data"]["ca.crt"]
    assert shake_hands(ssl.create_default_context(cadata=told), server)
    authority = x509.load_pem_x509_certificate((plane.data / "pki" / "node-serving-ca.crt").read_bytes())
    x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(authority)


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> str | None:
    """The version that they agree on. Raises SSLError."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(incoming, outgoing, server_hostname=ADVERTISED)
    far = server.wrap_bio(outgoing, incoming, server_side=True)
    for _ in range(4):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return near.version()


class Anywhere(Dialer):
    """Lets the test's servers be on this machine."""

    def check(self, host: str, port: int, *, local: bool = False) -> IPAddress:
        return addresses.parse(host)


def issued(
    pki: Pki, authority: Authority, name: str, subject: str, groups: tuple[str, ...], usages: tuple[str, ...] = SERVER
) -> Pair:
    return authority.issue(pki.pair(name), SystemClock(), subject, groups, usages=usages, hosts=["n", "127.0.0.1"])


def test_only_the_nodes_own_certificate_is_taken_for_the_nodes(tmp_path: Path) -> None:
    """A certificate was taken by a name in it alone: the API server's own, or another node's, would do."""
    pki, clock = Pki(tmp_path / "pki", SystemClock()), SystemClock()
    nodes, me = ("system:nodes",), "system:node:n"
    made, gap = pki.pair("gap"), stop_gap("n", clock.now())
    made.certificate.write_bytes(gap[0])
    made.key.write_bytes(gap[1])
    served = {
        "own": issued(pki, pki.node_serving, "own", me, nodes),
        "the API server's": issued(pki, pki.ca, "api", "kube-apiserver", ()),
        "the cluster's authority's": issued(pki, pki.ca, "old", me, nodes),
        "another node's": issued(pki, pki.node_serving, "other", "system:node:m", nodes),
        "one of no group": issued(pki, pki.node_serving, "groupless", me, ()),
        "one of more groups": issued(pki, pki.node_serving, "groups", me, (*nodes, "system:masters")),
        "the simulated nodes'": issued(pki, pki.node_serving, "simulated", "system:longboat:simulated-nodes", ()),
        "one for clients": issued(pki, pki.node_serving, "client", me, nodes, CLIENT),
        "a stop gap": made,
    }
    kubelet_client = pki.client("c", "kube-apiserver-kubelet-client")

    async def scene() -> None:
        connections = NodeConnections(pki.node_serving.pair.certificate, kubelet_client, clock, Anywhere(clock))
        for what, pair in served.items():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate, pair.key)
            heard = asyncio.Event()

            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Any = heard) -> None:
                if await reader.read(1):
                    heard.set()
                writer.close()

            server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
            port = server.sockets[0].getsockname()[1]
            endpoint = {"daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
            node = {
                "metadata": {"name": "n"},
                "status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}], **endpoint},
            }
            if what == "own":
                (await connections.open(node))[1].close()
            else:
                with pytest.raises(StatusError, match="error dialing backend"):
                    await connections.open(node)
            server.close()
            await server.wait_closed()
            assert not heard.is_set(), "nothing is said to who is not the node"

    asyncio.run(scene())
