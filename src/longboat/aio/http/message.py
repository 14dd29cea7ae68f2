"""HTTP/1.1 requests as they arrive on a connection. No sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from longboat.aio.http.heads import Refused

UNREAD = 64 << 10  # bytes of a body held for a handler that has not asked for it yet

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class TooLong(Exception):
    """A body has more bytes than its reader takes."""


class CutShort(Exception):
    """A body ended before its end."""


class Headers(dict[str, str]):
    """Header fields by lower-case name; the first value counts. `getall` has the others of a repeated name."""

    __slots__ = ("_repeated",)

    def __init__(self) -> None:
        super().__init__()
        self._repeated: dict[str, list[str]] | None = None

    def add(self, name: str, value: str) -> None:
        if name not in self:
            self[name] = value
            return
        if self._repeated is None:
            self._repeated = {}
        self._repeated.setdefault(name, [self[name]]).append(value)

    def getall(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        if self._repeated and (values := self._repeated.get(name)):
            return values
        return [self[name]] if name in self else list(default)

    def has_token(self, name: str, token: str) -> bool:
        """Whether a comma-separated header lists a token."""
        return any(part.strip().lower() == token for value in self.getall(name) for part in value.split(","))


class Message:
    """One request as it arrives: its head at once, its body piece by piece.

    `pause` and `resume` stop and start what feeds it, so that a body nobody reads is not held in memory.
    """

    __slots__ = (
        "_body", "_pause", "_resume", "_send", "_waiting", "broken", "complete", "discarded", "discarding",
        "excess", "expects", "headers", "http_1_0", "keep_alive", "method", "paused", "refused", "target", "upgrade",
    )  # fmt: skip

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None], send: Callable[[bytes], None]) -> None:
        self.method = ""
        self.target = ""
        self.headers = Headers()
        self.keep_alive = True
        self.http_1_0 = False
        self.upgrade = False
        self.refused: Refused | None = None
        self.complete = False
        self.broken = False  # the connection ended before the body did
        self.expects = False  # the client waits for a 100 before it sends the body
        self.excess = 0  # bytes of its body that are no data, beyond what its data excuses
        self.discarding = False
        self.discarded = 0
        self.paused = False
        self._body = bytearray()
        self._pause, self._resume, self._send = pause, resume, send
        self._waiting: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> None:
        if self.discarding:
            self.discarded += len(data)
        else:
            self._body += data
            if self._waiting is None and len(self._body) > UNREAD and not self.paused:
                self.paused = True
                self._pause()
        self._wake()

    def end(self, *, broken: bool = False) -> None:
        self.complete, self.broken = True, self.broken or broken
        if self.paused:  # whoever reads it will not wait for more: the next request would never be heard
            self.paused = False
            self._resume()
        self._wake()

    async def read(self, limit: int) -> bytes:
        """The whole body, once. Raises TooLong where it has more than `limit` bytes, CutShort where it breaks off."""
        length = self.headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise TooLong
        if not self.complete and self.expects:
            self.expects = False
            self._send(CONTINUE)
        while not self.complete and len(self._body) <= limit:
            await self.more()
        if len(self._body) > limit:
            raise TooLong
        if self.broken:
            raise CutShort
        body, self._body = bytes(self._body), bytearray()
        return body

    async def piece(self) -> bytes:
        """What has come of the body and was not taken yet, once there is any; b"" at its end. Raises CutShort."""
        if not self.complete and self.expects:
            self.expects = False
            self._send(CONTINUE)
        while not self._body and not self.complete:
            await self.more()
        if self.broken and not self._body:
            raise CutShort
        body, self._body = bytes(self._body), bytearray()
        if self.paused:
            self.paused = False
            self._resume()
        return body

    @property
    def held(self) -> int:
        """Bytes of the body that wait to be read."""
        return len(self._body)

    def discard(self) -> None:
        """What has not been read is not wanted."""
        self.discarding = True
        self._body.clear()
        if self.paused:
            self.paused = False
            self._resume()

    async def more(self) -> None:
        """Return once more of the body, or its end, has come."""
        waiting = self._waiting = asyncio.get_running_loop().create_future()
        if self.paused:
            self.paused = False
            self._resume()
        try:
            await waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
