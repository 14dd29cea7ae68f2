"""Which ciphers a server of ours speaks."""

from __future__ import annotations

import ssl

# With forward secrecy and authenticated encryption alone (CIS 1.2.29 and 4.2.12). TLS 1.3 has no others.
STRONG = "ECDHE+AESGCM:ECDHE+CHACHA20"


def serving() -> ssl.SSLContext:
    """A context for a server: TLS 1.2 and later, strong ciphers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(STRONG)
    return context
