"""How the API server is reached: over TLS, which asks for client certificates."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

from longboat.aio import tls as strong
from longboat.apiserver.pki import Pair


def tls(serving: Pair, client_authorities: Iterable[Path]) -> ssl.SSLContext:
    """A context that asks for client certificates and checks them against any of the authorities.

    Which authority signed is for authentication to tell: the client CA and the front-proxy CA are different roots.
    """
    context = strong.serving()
    context.load_cert_chain(serving.certificate, serving.key)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    # Sessions are not resumed: a resumed one would carry a certificate that has not been checked again.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    for authority in client_authorities:
        context.load_verify_locations(authority)
    return context
