"""One client's connection: requests in, answers out, in order. An asyncio protocol around a parser in C."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, cast

import httptools

from longboat.aio.cache import short_lru
from longboat.aio.http import answers, heads, sending
from longboat.aio.http.budget import Budget
from longboat.aio.http.exchange import A, Incoming, Response
from longboat.aio.http.hung_up import HUNG_UP
from longboat.aio.http.message import Message
from longboat.aio.http.pieces import BEHIND
from longboat.aio.http.sending import Sending
from longboat.aio.http.upgraded import Upgraded

log = logging.getLogger(__name__)

MAX_HEAD = 128 << 10  # bytes of a request line and headers
MAX_QUEUED = 32  # requests sent ahead of their answers
MAX_AHEAD = 512 << 10  # bytes of them
MAX_EXCESS = 16 << 10  # bytes of a chunked body that are no data: extensions, trailers (net/http, chunkedReader)
A_CHUNK = 16  # bytes that each chunk may take besides its data, and twice those of its data
DRAINED = 256 << 10  # bytes of an unwanted body that are read, so that the connection can be used again (net/http)
LINGER = 2.0  # seconds a client may go on sending after an answer that ends the connection
HEAD_TIME, IDLE_TIME = 32.0, 90.0  # seconds to send a head, and between requests


@short_lru(maxsize=512, longest=64)
def _name(raw: bytes) -> str:
    """A header's name, as `Request.headers` has it."""
    return raw.decode("latin-1").lower()


class Home(sending.Home, Protocol[A]):
    """What a connection needs of its server."""

    unread: Budget  # what clients have sent and nobody has taken yet
    received: Callable[[Incoming], A]
    handler: Callable[[A], Awaitable[Response]]

    def joined(self, connection: Connection[A]) -> None: ...

    def acquainted(self, connection: Connection[A]) -> None:
        """It has shown who it is."""
        ...

    def left(self, connection: Connection[A]) -> None: ...


class Connection(Sending, Generic[A]):
    """`run` is its one task: it answers one request after the other, for as long as the connection lasts."""

    _home: Home[A]

    def __init__(self, home: Home[A], remote: str = "") -> None:
        super().__init__()
        self._home = home
        self.remote = remote
        self._parser: httptools.HttpRequestParser
        self._next: Message
        self._url = b""
        self._queue: list[Message] = []
        self._arriving: Message | None = None
        self._head_size = 0
        self._ahead = 0
        self._held = 0
        self._useful = 0  # of the bytes being parsed: data of a body, and what it takes to say so
        self._waiting: asyncio.Future[None] | None = None
        self._upgraded: Upgraded | None = None
        self._leftover = b""  # what came right behind a request to upgrade
        self._deaf = False  # what comes after a request that is refused is not listened to
        self._asked: A | None = None  # the one that is being worked on
        self._known = False
        self._tls = False
        self._certificate: bytes | None = None
        self.handshake: asyncio.Task[None] | None = None  # until there is a transport
        self.task: asyncio.Task[None] | None = None
        self.busy = False
        self.since = home.clock.monotonic()  # start of a head, or of idleness

    # what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=BEHIND)  # uvloop's own would be 512 KiB under TLS
        self._parser = httptools.HttpRequestParser(self)
        self._next = Message(self._pause, self._resume, self._send)
        tls = transport.get_extra_info("ssl_object")
        self._tls = tls is not None
        self._certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        self._home.joined(self)

    def data_received(self, data: bytes) -> None:
        if self._upgraded is not None:
            self._upgraded.feed(data)
            return
        if self._deaf:
            return
        before, self._useful = self._arriving, 0
        if before is None:
            if self._head_size == 0:
                self.since = self._home.clock.monotonic()
            self._head_size += len(data)
        if self.busy and self._queue:
            self._ahead += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._leftover += data[upgrade.args[0] :]
            return
        except httptools.HttpParserError as error:
            if self._deaf:
                return  # it has been refused for a better reason
            self._refuse(400, f"400 Bad Request: {error}")
            return
        if self._head_size > MAX_HEAD and self._arriving is None:
            self._refuse(431, "431 Request Header Fields Too Large")
        elif len(self._queue) > MAX_QUEUED or self._ahead > MAX_AHEAD:
            self._transport.abort()
        elif before is not None and before is self._arriving:
            before.excess = max(0, before.excess + len(data) - self._useful)
            if before.excess > MAX_EXCESS:
                self._refuse(400, "400 Bad Request: chunked encoding contains too much non-data")
        held = self._head_size + self._ahead + (self._arriving.held if self._arriving is not None else 0)
        if held != self._held:
            self._home.unread.hold(self, held)
            self._held = held

    def eof_received(self) -> bool:
        if self._upgraded is not None:
            self._upgraded.feed_end()
            return not self._tls  # half-closed: what we have to say can still be sent (TLS knows no such state)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.ended = True
        # These know the connection and it them: together they would wait for the garbage collector, with all they hold.
        del self._parser, self._next
        self._transport = HUNG_UP
        self._home.unread.hold(self, 0)
        self._home.unsent.hold(self, 0)
        self._home.left(self)
        if self._upgraded is not None:
            self._upgraded.lost()
        if self._arriving is not None:
            self._arriving.end(broken=True)
            self._arriving = None
        for waiting in (self._waiting, self._writable):
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        given_up = self._asked is not None and self._asked.for_client_alone
        if (self._streaming or given_up) and self.task is not None:
            self.task.cancel()  # nobody is left to read

    # what the parser tells

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._arriving is not None:
            return  # a trailer: what has been authenticated by its head is not added to afterwards (RFC 9110, 6.5.1)
        self._next.headers.add(_name(name), value.decode("utf-8", "replace"))

    def on_headers_complete(self) -> None:
        parser, message = self._parser, self._next
        message.method = parser.get_method().decode("latin-1")
        message.target = self._url.decode("utf-8", "replace")
        version, headers = parser.get_http_version(), message.headers
        message.http_1_0 = version == "1.0"
        message.keep_alive = parser.should_keep_alive()
        message.upgrade = parser.should_upgrade()
        expect = headers.get("expect", "")
        message.expects = bool(expect)  # else it is refused
        codings = headers.getall("transfer-encoding") if "transfer-encoding" in headers else ()
        message.refused = heads.check(version, message.target, headers.getall("host"), codings, expect)
        self._deaf = message.refused is not None
        self._arriving, self._head_size = message, 0
        self._queue.append(message)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def on_chunk_header(self) -> None:
        self._useful += A_CHUNK

    def on_body(self, data: bytes) -> None:
        self._useful += 3 * len(data)
        if self._arriving is not None:
            self._arriving.feed(data)
            if self._streaming and self._arriving.discarded > DRAINED:
                self._transport.abort()

    def on_message_complete(self) -> None:
        if self._arriving is not None:
            self._arriving.end()
            self._arriving = None
        self._next = Message(self._pause, self._resume, self._send)
        self._url = b""

    # the task

    async def run(self) -> None:
        try:
            while not self.ended and not self._home.closing and await self._one():
                self.since, self.busy = self._home.clock.monotonic(), False
        except asyncio.CancelledError:
            if not self.ended:
                raise
            # It was cancelled because it ended, and that has been heard. (A task that says so keeps the error, which
            # holds this frame, and it the task.)
        finally:
            self.busy, self._deaf = False, True
            self._asked = self._upgraded = None
            self._queue.clear()
            self._transport.close()

    async def _one(self) -> bool:
        """Answer the next request. False when the connection is not to be used again."""
        while not self._queue:
            if self.ended or self._home.closing:
                return False
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        self.busy = True
        message = self._queue.pop(0)
        if not self._queue:
            self._ahead = 0
        if message.refused is not None:
            self._transport.write(answers.plain(*message.refused))
            return await self._rest(message, keep_alive=False)
        request = self._home.received(
            Incoming(
                message.method,
                message.target,
                message.headers,
                message.read,
                self.remote,
                self._certificate,
                message.piece,
            )
        )
        self._asked = request
        response = await self._home.handler(request)
        self._asked = None
        if not self._known and request.known:
            self._known = True
            self._home.acquainted(self)
        try:
            return await self._answer(message, response)
        finally:
            response.end()

    async def _answer(self, message: Message, response: Response) -> bool:
        """Send it. False when the connection is not to be used again."""
        if self.ended:
            return False
        keep_alive = message.keep_alive and not message.upgrade and not self._home.closing
        if response.upgrade is not None:
            await self._upgrade(response)
            return False
        if response.stream is not None:
            keep_alive = await self._stream(message, response, keep_alive=keep_alive)
        else:
            if not message.complete and message.expects:
                keep_alive = False  # the client may send the body all the same, or not: there is no telling
            await self._whole(message, response, keep_alive=keep_alive)
        if self._writable is not None and not self._writable.done():
            await self._drain()
        return keep_alive if message.complete else await self._rest(message, keep_alive)

    async def _upgrade(self, response: Response) -> None:
        """Hand the connection over; it is never used for HTTP again (security lesson 1)."""
        assert response.upgrade is not None
        upgraded = self._upgraded = Upgraded(self._transport, self._drain)
        if self._leftover:
            upgraded.feed(self._leftover)
        self._transport.write(answers.switching(response.headers))
        self._streaming = True
        try:
            await response.upgrade(upgraded)
        except ConnectionError as error:
            log.debug("an upgraded connection of %s broke: %s", self.remote, error)
        except asyncio.CancelledError:
            if not self.ended and not self._home.closing:
                raise
        except Exception:
            log.exception("an upgraded connection of %s failed", self.remote)

    async def _rest(self, message: Message, keep_alive: bool) -> bool:
        """Take what still comes of a body nobody wanted: closing at once would lose the answer on its way."""
        message.discard()
        limit, clock = DRAINED if keep_alive else 1 << 40, self._home.clock
        try:
            async with clock.timeout(LINGER):
                while not message.complete and message.discarded <= limit:
                    await message.more()
        except TimeoutError:
            return False
        return message.complete and keep_alive and not message.broken

    # flow

    def _pause(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def _resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _refuse(self, status: int, text: str) -> None:
        if self._transport.is_closing():
            return
        if self.busy or self._queue:
            self._transport.abort()  # in the middle of something else there is no saying it
            return
        self._transport.write(answers.plain(status, text))
        self._transport.close()

    def check(self, now: float) -> None:
        """Close what is idle, or too slow in saying what it wants (called now and then)."""
        limit = HEAD_TIME if self._head_size else IDLE_TIME
        if not self.busy and now - self.since > limit:
            self._transport.close()

    def shut_down(self) -> None:
        """The server is closing: end what is idle and what never ends; let an answer under way go out."""
        if self._streaming and self.task is not None:
            self.task.cancel()
        elif self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def abort(self) -> None:
        """Hang up; what it has yet to send is let go of at once."""
        self._sending.clear()
        if self.task is not None:
            self._transport.abort()
        elif self.handshake is not None:
            self.handshake.cancel()
