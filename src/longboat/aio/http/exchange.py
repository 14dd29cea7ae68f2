"""What a connection hands to whoever answers, and what it is handed back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from longboat.aio.http.message import Headers
from longboat.aio.http.pieces import NONE, Pieces


@dataclass(slots=True)
class Incoming:
    """One request as it came. Its head is there; its body is read by whoever wants it."""

    method: str
    target: str
    headers: Headers
    read: Callable[[int], Awaitable[bytes]]  # the body, of at most that many bytes. Raises TooLong, CutShort
    remote: str
    peer_certificate: bytes | None  # DER of a client certificate that TLS has seen proof of possession for
    piece: Callable[[], Awaitable[bytes]]  # instead of `read`: the body as it comes; b"" at its end. Raises CutShort

    def split(self) -> tuple[str, str]:
        """Path, which begins with a slash, and query; both as they came, without the server that a proxy's client names
        (RFC 9112, section 3.2.2)."""
        path, _, query = self.target.partition("?")
        if not path.startswith("/"):
            path = "/" + path.partition("://")[2].partition("/")[2]
        return path, query


class Asked(Protocol):
    """A request, as the server's own user sees it."""

    @property
    def known(self) -> bool:
        """Its sender has shown who it is. Asked once it is answered."""
        ...

    @property
    def for_client_alone(self) -> bool:
        """The work is worth nothing once the client has gone: it is cancelled then."""
        ...


class Socket(Protocol):
    """An upgraded connection that speaks raw bytes (after a 101)."""

    async def read(self) -> bytes:
        """The next bytes; b"" at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Returns once there is room for more. Raises ConnectionResetError."""
        ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class Response:
    """A whole response, one that streams chunks until its iterator ends, or (`upgrade`) a connection taken over."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)  # what is sent as Warning headers, each on a line of its own
    stream: AsyncIterator[bytes] | None = None
    upgrade: Callable[[Socket], Awaitable[None]] | None = None  # status 101 and headers are sent first
    ends: list[Callable[[], object]] = field(default_factory=list)
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


A = TypeVar("A", bound=Asked)
