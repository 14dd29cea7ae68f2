"""Requests and responses as the chain sees them: free of the HTTP library, so the same chain serves sockets and
the in-process transport."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from longboat.aio.bench import HERE, Seat
from longboat.aio.http import exchange
from longboat.aio.http.exchange import Incoming
from longboat.aio.http.message import CutShort, TooLong
from longboat.apiserver.media import PLAIN, Form
from longboat.machinery.errors import bad_request, too_large
from longboat.machinery.kinds import Kind
from longboat.machinery.subresource import Subresource
from longboat.machinery.user import UNAUTHENTICATED, User

_NO_QUERY: dict[str, list[str]] = {}


class RequestInfo(NamedTuple):
    """What is asked, in the API's terms rather than the URL's. (A tuple is made in a quarter of the time that a frozen
    dataclass takes: every request has one.)"""

    path: str
    verb: str  # get list watch create update patch delete deletecollection proxy; elsewhere the method in lower case
    is_resource: bool = False
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()  # what follows the version: resource, name, subresource, rest of a proxy path
    fields: tuple[tuple[str, str], ...] = ()  # of a list or watch: what its field selector requires to be equal
    by_prefix: bool = False  # the path said the verb, as in /api/v1/watch/pods; the method may be any


NOTHING = RequestInfo("", "")  # until that is known


class Judged(NamedTuple):
    """How a request is recorded (audit.k8s.io): its level, stages that are left out, and whether managed fields are."""

    level: str
    omitted: frozenset[str] = frozenset()
    omits_managed: bool = False

    @property
    def bodies(self) -> bool:
        """What is sent is recorded, too."""
        return self.level in ("Request", "RequestResponse")

    @property
    def answers(self) -> bool:
        """What is answered is recorded, too."""
        return self.level == "RequestResponse"


@dataclass(slots=True)
class Request:
    """One request. Header names are lower case; query values keep their order."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    read_body: Callable[[int], Awaitable[bytes]]  # at most that many bytes, else StatusError 413
    remote: str = ""
    peer_certificate: bytes | None = None  # DER of a client certificate that TLS has seen proof of possession for
    user: User | None = None  # set by authentication, or beforehand by the in-process transport
    info: RequestInfo = NOTHING
    kind: Kind | None = None  # of what `info` names, where it is served
    part: Subresource | None = None  # the subresource that `info` names, where there is one
    form: Form = PLAIN  # what the client accepts the answer in, once that has been negotiated
    request_id: str = ""
    raw_query: str = ""  # as it came, for proxies
    for_client_alone: bool = False  # the work is worth nothing once the client has gone: it is cancelled then
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)  # of the audit event, beside those that it always has
    marks: Mapping[str, str] = field(default_factory=dict)  # headers of every answer to it, refusals too
    requester: User | None = None  # who asked, where it is to be done as somebody else: `user` is then that one
    decision: tuple[bool, str] | None = None  # of authorization: whether it is allowed, and why
    judged: Judged | None = None  # by the policy of the audit log, if there is one; once it is known who asks
    sent: bytes = b""  # the body, as JSON or as it came, where `judged` wants it
    answered: bytes = b""  # likewise the answer's, as JSON: before it was written as the client wants it
    seat: Seat = HERE  # where work is done that would hold the loop; set by flow control
    until: float = math.inf  # on the clock's monotonic scale: when it has taken too long
    read_piece: Callable[[], Awaitable[bytes]] | None = None  # of a body from the network, as it comes; b"" at its end

    def arg(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else default

    def header_values(self, name: str) -> list[str]:
        """Every value of a header that may come several times."""
        getall = getattr(self.headers, "getall", None)
        if getall is not None:
            return list(getall(name, ()))
        return [self.headers[name]] if name in self.headers else []

    def flag(self, name: str) -> bool:
        return self.arg(name).lower() in ("1", "t", "true")

    @property
    def known(self) -> bool:
        """Its sender is somebody."""
        return self.user is not None and UNAUTHENTICATED not in self.user.groups

    @classmethod
    def received(cls, incoming: Incoming) -> Request:
        """As it came over the network."""

        async def read_body(limit: int) -> bytes:
            try:
                return await incoming.read(limit)
            except TooLong:
                raise too_large(f"Request entity too large: limit is {limit}") from None
            except CutShort:
                raise bad_request("unexpected EOF") from None

        path, query = incoming.split()
        return cls(
            incoming.method,
            unquote(path) if "%" in path else path,
            parse_qs(query, keep_blank_values=True) if query else _NO_QUERY,
            incoming.headers,
            read_body,
            remote=incoming.remote,
            peer_certificate=incoming.peer_certificate,
            raw_query=query,
            read_piece=incoming.piece,
        )


@dataclass(slots=True)
class Response(exchange.Response):
    """An answer of the API."""

    form: Form | None = None  # the body is JSON, and to be written so at last


Handler = Callable[[Request], Awaitable[Response]]
Filter = Callable[[Request, Handler], Awaitable[Response]]
