"""Requests and responses as the chain sees them: free of the HTTP library, so the same chain serves sockets and
the in-process transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from longboat.aio.bench import HERE, Seat
from longboat.apiserver.media import PLAIN, Form
from longboat.apiserver.pieces import NONE, Pieces
from longboat.machinery.kinds import Kind
from longboat.machinery.subresource import Subresource
from longboat.machinery.user import User


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What is asked, in the API's terms rather than the URL's."""

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


class Socket(Protocol):
    """An upgraded connection that speaks raw bytes (after a 101)."""

    async def read(self) -> bytes:
        """The next bytes; b"" at the end."""
        ...

    async def write(self, data: bytes) -> None: ...

    async def close(self) -> None: ...


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
    info: RequestInfo = RequestInfo(path="", verb="")
    kind: Kind | None = None  # of what `info` names, where it is served
    part: Subresource | None = None  # the subresource that `info` names, where there is one
    form: Form = PLAIN  # what the client accepts the answer in, once that has been negotiated
    request_id: str = ""
    raw_query: str = ""  # as it came, for proxies
    for_client_alone: bool = False  # the work is worth nothing once the client has gone: it is cancelled then
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)  # of the audit event, beside those that it always has
    requester: User | None = None  # who asked, where it is to be done as somebody else: `user` is then that one
    decision: tuple[bool, str] | None = None  # of authorization: whether it is allowed, and why
    seat: Seat = HERE  # where work is done that would hold the loop; set by flow control

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


@dataclass(slots=True)
class Response:
    """A whole response, one that streams chunks until its iterator ends, or (`upgrade`) a connection taken over."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None
    form: Form | None = None  # the body is JSON, and to be written so at last
    upgrade: Callable[[Socket], Awaitable[None]] | None = None  # status 101 and headers are sent first
    ends: list[Callable[[], None]] = field(default_factory=list)
    tail: Pieces = NONE  # what comes after the body; other answers may send the same one

    @property
    def size(self) -> int:
        """Bytes of body and tail."""
        return len(self.body) + self.tail.size

    def whole(self) -> bytes:
        """Body and tail."""
        return self.body + self.tail.joined() if self.tail.size else self.body

    def after(self, end: Callable[[], None]) -> None:
        """Have `end` called once the answer is through, or is not going to be sent. (A stream that nobody has begun to
        read runs none of its own code when it is closed.)"""
        self.ends.append(end)

    def end(self) -> None:
        """Whoever has sent the response, or will not, calls this."""
        while self.ends:
            self.ends.pop()()


Handler = Callable[[Request], Awaitable[Response]]
Filter = Callable[[Request, Handler], Awaitable[Response]]
