"""The sending half of a connection: whole answers, long ones in pieces, streams; never more than the client takes."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import Protocol

from longboat.aio.clock import Clock
from longboat.aio.http import answers
from longboat.aio.http.budget import Budget
from longboat.aio.http.exchange import Response
from longboat.aio.http.message import Message
from longboat.aio.http.pieces import BEHIND, NONE, SMALL, Outgoing

log = logging.getLogger(__name__)

STALLED = 60.0  # seconds a client may take none of what it is sent


class Home(Protocol):
    """What a connection's sending half needs of its server."""

    clock: Clock
    closing: bool
    unsent: Budget  # what clients have yet to take

    def date(self) -> str:
        """The time as HTTP writes it."""
        ...


class Sending(asyncio.Protocol, ABC):
    """What of a connection has to do with sending. The transport tells it when to wait."""

    _home: Home
    _transport: asyncio.Transport
    remote: str

    def __init__(self) -> None:
        self.ended = False
        self._writable: asyncio.Future[None] | None = None
        self._sending = Outgoing()  # what is too long to be sent in one piece
        self._streaming = False

    def pause_writing(self) -> None:
        if self._writable is None or self._writable.done():
            self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    async def _whole(self, message: Message, response: Response, *, keep_alive: bool) -> None:
        size = response.size
        head = answers.head(response, self._home.date(), keep_alive=keep_alive, length=size)
        if message.method == "HEAD":
            self._transport.write(head)
        elif size <= SMALL:
            self._transport.write(head + response.whole())
        else:
            self._transport.write(head)
            self._sending = Outgoing(response.body, response.tail)
            response.body, response.tail = b"", NONE
            await self._pieces(size, chunked=False)

    async def _pieces(self, size: int, *, chunked: bool) -> None:
        """Send what is long, no more at once than the client takes: one that does not read has it held here, once, and
        not copied and encrypted behind the transport. `abort` lets go of it there and then."""
        self._home.unsent.hold(self, size)
        for piece in self._sending:
            self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if self._writable is not None and not self._writable.done():
                self._home.unsent.hold(self, size)
                await self._drain()
            else:
                await asyncio.sleep(0)  # others' turn
            if self.ended:
                return
        self._home.unsent.hold(self, 0)

    async def _stream(self, message: Message, response: Response, *, keep_alive: bool) -> bool:
        """Send chunks as they come. True if the connection can go on afterwards."""
        assert response.stream is not None
        chunks, write = response.stream, self._transport.write
        chunked = not message.http_1_0
        keep_alive = keep_alive and chunked
        write(answers.head(response, self._home.date(), keep_alive=keep_alive, length=None, chunked=chunked))
        self._streaming = True
        message.discard()  # reading goes on: else nobody would hear the client go
        try:
            if message.method != "HEAD":
                async for chunk in chunks:
                    if len(chunk) > BEHIND:
                        self._sending = Outgoing(chunk, most=BEHIND)
                        await self._pieces(len(chunk), chunked=chunked)
                    elif chunk:
                        write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
                    if self._writable is not None and not self._writable.done():
                        self._home.unsent.hold(self, 2 * BEHIND)
                        await self._drain()
                        self._home.unsent.hold(self, 0)
                    if self.ended:
                        return False
                if chunked:
                    write(answers.LAST_CHUNK)
        except asyncio.CancelledError:
            if self.ended or not self._home.closing:
                raise
            if chunked:
                write(answers.LAST_CHUNK)  # the server goes: a clean end, so that the client comes back and resumes
            return False
        except Exception:
            log.exception("the answer to %s broke off", message.target.partition("?")[0])
            self._transport.abort()  # a chunked body without its end: the client knows that it is not whole
            return False
        finally:
            self._streaming = False
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()
        return keep_alive

    async def _drain(self) -> None:
        """Return once the client has taken what was sent, or is gone."""
        if self._writable is None or self._writable.done():
            return
        try:
            async with self._home.clock.timeout(STALLED):
                await self._writable
        except TimeoutError:
            log.debug("%s takes nothing, closing its connection", self.remote)
            self._transport.abort()

    def _send(self, data: bytes) -> None:
        if not self.ended:
            self._transport.write(data)

    @abstractmethod
    def abort(self) -> None:
        """Hang up; what has yet to be sent is let go of at once."""
