"""What is asked at a node's port, and by whom: who holds a certificate of the cluster's authority, or a token."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qs, unquote

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from longboat.aio import tls as strong
from longboat.aio.clock import Clock
from longboat.aio.http import exchange, server
from longboat.aio.http.census import Census
from longboat.aio.http.exchange import Incoming
from longboat.aio.http.message import CutShort, Headers, TooLong

MAX_BODY = 1 << 20  # bytes: nothing here takes more
MAX_CONNECTIONS = 1000
MAX_STRANGERS = 200  # of them, from who has yet to show who they are
HELD = 32 << 20  # bytes of requests, and of answers, for all clients together


class Caller(msgspec.Struct, frozen=True):
    """Who the client's certificate, or its token, says it is."""

    name: str
    groups: tuple[str, ...] = ()


class Request(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    path: str  # unquoted
    query: dict[str, list[str]]
    headers: Headers
    caller: Caller
    body: bytes = b""  # none of one that asks for an upgrade

    def arg(self, name: str, default: str = "") -> str:
        values = self.query.get(name)
        return values[0] if values else default

    def flag(self, name: str) -> bool:
        """true, 1 or t, as Go reads booleans."""
        return self.arg(name).lower() in ("1", "t", "true")


@dataclass(slots=True)
class Answer(exchange.Response):
    content_type: str = "text/plain; charset=utf-8"


class HttpError(Exception):
    """Becomes an answer with this text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


Handler = Callable[[Request], Awaitable[Answer]]
Identify = Callable[[str], Awaitable[Caller | None]]
"""Whose a bearer token is; None for nobody's."""


def tls(certificate: Path, key: Path, authority: Path, *, tokens: bool = False) -> ssl.SSLContext:
    """Clients without a certificate of the authority do not get past the handshake, unless they may have `tokens`."""
    context = strong.serving()
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_OPTIONAL if tokens else ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(slots=True)
class _Asked:
    incoming: Incoming
    known: bool = False  # its sender is somebody
    for_client_alone: bool = False


class Server(server.Server[_Asked]):
    """A node's port, or one that several share. `identify`: whose tokens are, where clients may have such."""

    def __init__(
        self, handler: Handler, context: ssl.SSLContext, clock: Clock, identify: Identify | None = None
    ) -> None:  # fmt: skip
        async def handle(asked: _Asked) -> Answer:
            try:
                caller = await _who(asked.incoming, identify)
                asked.known = True
                return await handler(await _request(asked.incoming, caller))
            except HttpError as error:
                return Answer(error.status, error.text.encode())

        census = Census(MAX_CONNECTIONS, MAX_STRANGERS)
        super().__init__(_Asked, handle, context, clock, census, held=HELD)


async def _who(incoming: Incoming, identify: Identify | None) -> Caller:
    """Before anything of the body is read. Raises HttpError."""
    if incoming.peer_certificate:
        return _caller(incoming.peer_certificate)
    said = incoming.headers.getall("authorization")
    scheme, _, token = said[0].partition(" ") if len(said) == 1 else ("", "", "")
    caller = await identify(token.strip()) if identify is not None and scheme.lower() == "bearer" else None
    if caller is None:
        raise HttpError(401, "Unauthorized")
    return caller


async def _request(incoming: Incoming, caller: Caller) -> Request:
    """Raises HttpError."""
    try:
        body = b"" if "upgrade" in incoming.headers else await incoming.read(MAX_BODY)
    except TooLong:
        raise HttpError(413, f"the body has more than {MAX_BODY} bytes") from None
    except CutShort:
        raise HttpError(400, "unexpected EOF") from None
    path, query = incoming.split()
    return Request(
        method=incoming.method, path=unquote(path), query=parse_qs(query, keep_blank_values=True),
        headers=incoming.headers, caller=caller, body=body,
    )  # fmt: skip


@lru_cache(maxsize=64)
def _caller(certificate: bytes) -> Caller:
    """Of a certificate in DER. Raises HttpError."""
    subject = x509.load_der_x509_certificate(certificate).subject
    names, groups = (
        tuple(str(attribute.value) for attribute in subject.get_attributes_for_oid(oid))
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    )
    if len(names) > 1:
        raise HttpError(401, "the client's certificate names several users")
    return Caller(names[0] if names else "", groups)
