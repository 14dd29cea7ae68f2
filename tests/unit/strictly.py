"""Certificates looked at by those who are strict: OpenSSL's program, and TLS with its strict flag."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


def by_openssl(authority: Path, purpose: str, *certificates: Path) -> str:
    """What `openssl verify` has to say; "" where it is content. `purpose`: sslclient or sslserver."""
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", str(authority)]
    done = subprocess.run([*command, *map(str, certificates)], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@dataclass(frozen=True)
class Side:
    """What one side of a handshake shows, and whom it trusts."""

    certificate: Path
    key: Path
    trusts: Path


def shaken(
    server: ssl.SSLContext, shows: Side | None, trusts: Path, host: str, version: ssl.TLSVersion | None = None
) -> bytes:
    """The client's certificate as the server has taken it (DER). The client shows `shows`, and is strict.

    Raises ssl.SSLError where either side refuses.
    """
    client = ssl.create_default_context(cafile=str(trusts))
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    if version is not None:
        client.minimum_version = client.maximum_version = version
    if shows is not None:
        client.load_cert_chain(shows.certificate, shows.key)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(ends)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
        if not waiting:
            return ends[1].getpeercert(binary_form=True) or b""
    raise AssertionError("no handshake")
