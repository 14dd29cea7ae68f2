"""A client, or somebody between, settles on a cipher without authenticated encryption (CBC: Lucky Thirteen and kin)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from longboat.aio.clock import SystemClock
from longboat.apiserver.pki import Pki
from longboat.apiserver.serving import tls as api_tls
from longboat.node.serve.http import tls as node_tls

WEAK = ("ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256")
STRONG = ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305")


@pytest.fixture(scope="module", params=["api", "node"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ssl.SSLContext]:
    pki = Pki(tmp_path_factory.mktemp("pki"), SystemClock())
    pair, authority = pki.serving({"127.0.0.1"}), pki.ca.pair.certificate
    context = api_tls(pair, (authority,)) if request.param == "api" else node_tls(pair.certificate, pair.key, authority)
    context.verify_mode = ssl.CERT_NONE  # who the client is comes after the cipher
    yield context


def settled(server: ssl.SSLContext, cipher: str) -> str:
    """What a TLS 1.2 client that knows one cipher only settles on with it; "" for nothing. Both ends in one thread."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(cipher + ":@SECLEVEL=0")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True)]
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return ""
    found = ends[0].cipher()
    return found[0] if found else ""


@pytest.mark.parametrize("cipher", WEAK)
def test_weak_ciphers_are_not_spoken(server: ssl.SSLContext, cipher: str) -> None:
    assert settled(server, cipher) == ""


@pytest.mark.parametrize("cipher", STRONG)
def test_strong_ones_are(server: ssl.SSLContext, cipher: str) -> None:
    assert settled(server, cipher) == cipher
