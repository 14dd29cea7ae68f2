"""Somebody between a joining machine and the API server: the token names the CA, and must come to nobody else."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509

from longboat.aio.clock import SystemClock
from longboat.apiserver.pki import Pair, Pki
from longboat.assembly.errors import Failure
from longboat.assembly.node.identity import join
from longboat.client.enrolment import JoinToken, discover, pin_of

TOKEN = "abcdef.0123456789abcdef"


def pem(pki: Pki) -> bytes:
    return pki.ca.pair.certificate.read_bytes()


@asynccontextmanager
async def answering(serving: Pair, bundle: bytes) -> AsyncIterator[tuple[str, list[str]]]:
    """A server at this URL that says this of its CA, and the tokens that it has been given."""
    cluster = {"certificate-authority-data": base64.b64encode(bundle).decode(), "server": "https://x"}
    kubeconfig = json.dumps({"clusters": [{"name": "", "cluster": cluster}]})
    body = json.dumps({"kind": "ConfigMap", "data": {"kubeconfig": kubeconfig}}).encode()
    tokens: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        tokens.extend(line for line in head.splitlines() if line.lower().startswith("authorization:"))
        status = "200 OK" if "cluster-info" in head else "403 Forbidden"
        lines = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{lines}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(serving.certificate, serving.key)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", tokens
    finally:
        server.close()
        await server.wait_closed()


Bundle = Callable[[bytes, bytes], bytes]
BUNDLES: dict[str, Bundle] = {
    "the real CA first": lambda real, evil: real + evil,
    "the attacker's first": lambda real, evil: evil + real,
    "the attacker's alone": lambda real, evil: evil,
    "the real one twice, the attacker's between": lambda real, evil: real + evil + real,
    "in a form that OpenSSL alone reads": lambda real, evil: (
        real + evil.replace(b"BEGIN CERT", b"BEGIN TRUSTED CERT").replace(b"END CERT", b"END TRUSTED CERT")
    ),
    "in the older form": lambda real, evil: (
        real + evil.replace(b"BEGIN CERT", b"BEGIN X509 CERT").replace(b"END CERT", b"END X509 CERT")
    ),
    "behind other text": lambda real, evil: b"# a comment\n" + real + b"junk\n" + evil,
}


@pytest.mark.parametrize("bundle", BUNDLES.values(), ids=BUNDLES)
def test_the_token_is_shown_to_the_pinned_authority_alone(tmp_path: Path, bundle: Bundle) -> None:
    """The first certificate fitted the hash, and all that came with it was trusted: the attacker got the token."""
    real, evil = Pki(tmp_path / "real", SystemClock()), Pki(tmp_path / "evil", SystemClock())
    token = JoinToken(TOKEN, pin_of(real.ca.certificate))
    (tmp_path / "token").write_text(str(token))

    async def scene() -> None:
        async with answering(evil.serving(["127.0.0.1"]), bundle(pem(real), pem(evil))) as (url, tokens):
            with pytest.raises(Failure):
                await join(tmp_path / "data" / "kubelet.kubeconfig", "n", url, tmp_path / "token", SystemClock())
            assert tokens == []
        assert not (tmp_path / "data" / "kubelet.kubeconfig").exists()

    asyncio.run(scene())


def test_what_is_trusted_is_the_certificate_and_nothing_beside_it(tmp_path: Path) -> None:
    real, other = Pki(tmp_path / "real", SystemClock()), Pki(tmp_path / "other", SystemClock())
    trusted = pem(other).replace(b"BEGIN CERT", b"BEGIN TRUSTED CERT").replace(b"END CERT", b"END TRUSTED CERT")

    async def scene() -> str:
        async with answering(real.serving(["127.0.0.1"]), b"text\n" + pem(real) + trusted) as (url, _):
            return await discover(url, pin_of(real.ca.certificate), SystemClock())

    found = asyncio.run(scene())
    assert found.encode() == pem(real)
    assert x509.load_pem_x509_certificates(found.encode()) == [real.ca.certificate]
