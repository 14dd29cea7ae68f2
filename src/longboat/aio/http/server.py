"""Where a server meets the network: addresses, TLS, and the connections it serves one handler on."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from typing import Generic

from longboat.aio import sockets
from longboat.aio.clock import Clock, SystemClock
from longboat.aio.http.budget import Budget
from longboat.aio.http.census import Census
from longboat.aio.http.connection import Connection
from longboat.aio.http.exchange import A, Incoming, Response
from longboat.aio.tasks import Tasks

log = logging.getLogger(__name__)

DRAIN = 5.0  # seconds answers under way get at shutdown
SHORT = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
)  # what a process or a machine runs short of
BREATH = 1.0  # seconds until it is tried again
CHECK_EVERY = 5.0  # seconds between looks for idle and slow connections
AT_ONCE = 64  # connections that are taken before others have their turn
BACKLOG = 1024  # connections the kernel holds until they are taken
HANDSHAKE = 10.0  # seconds a client may take for TLS
HELD = 256 << 20  # bytes


class Server(Generic[A]):
    """Serves one handler on any number of addresses. `received` makes of what came what the handler takes; `held` is
    how many bytes of requests, and of answers, are held for all clients together."""

    def __init__(
        self, received: Callable[[Incoming], A], handler: Callable[[A], Awaitable[Response]],
        context: ssl.SSLContext | None, clock: Clock | None = None, census: Census | None = None, *, held: int = HELD,
    ) -> None:  # fmt: skip
        self.received, self.handler = received, handler
        self.clock = clock or SystemClock()
        self.closing = False
        self.unread, self.unsent = Budget(held, self.clock), Budget(held, self.clock)
        self._context = context
        self._census = census or Census()
        self._connections: set[Connection[A]] = set()
        self._listeners: list[socket.socket] = []
        self._tasks = Tasks("http")
        self._empty = asyncio.Event()
        self._date = (-1, "")

    async def listen(self, host: str, port: int) -> int:
        """At an IP address. Returns the port. Raises OSError."""
        listener = sockets.listening(host, port, BACKLOG)
        listener.setblocking(False)
        if not self._listeners:
            self._tasks.spawn("check", self._check())
        self._listeners.append(listener)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)
        found: int = listener.getsockname()[1]
        return found

    async def close(self) -> None:
        """Take no more, let answers under way go out, end streams, then hang up."""
        self.closing = True
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()
        for connection in list(self._connections):
            connection.shut_down()
        if self._connections:
            try:
                async with self.clock.timeout(DRAIN):
                    await self._empty.wait()
            except TimeoutError:
                for connection in list(self._connections):
                    connection.abort()
        await self._tasks.close()

    def _accept(self, listener: socket.socket) -> None:
        """Take connections, as long as there is room for more; TLS comes after that, for it is what costs.

        Not by `sock_accept`: what that has taken when it is cancelled is nobody's, and its client waits for ever."""
        for _ in range(AT_ONCE):
            try:
                taken, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in SHORT:
                    log.error("no connection can be taken: %s", error)
                    asyncio.get_running_loop().remove_reader(listener)
                    self._tasks.spawn("breath", self._accept_again(listener))
                    return
                continue  # that client has gone already
            taken.setblocking(False)
            self._take(taken, str(address[0]))

    async def _accept_again(self, listener: socket.socket) -> None:
        await self.clock.sleep(BREATH)
        if not self.closing:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _take(self, taken: socket.socket, remote: str) -> None:
        connection: Connection[A] = Connection(self, remote)
        if self._census.enter(connection):
            connection.handshake = self._tasks.spawn("handshake", self._join(connection, taken))
        else:
            taken.close()

    async def _join(self, connection: Connection[A], taken: socket.socket) -> None:
        patience = HANDSHAKE if self._context else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, taken, ssl=self._context, ssl_handshake_timeout=patience
            )
        except OSError as error:  # ssl.SSLError is one
            log.debug("%s: %s", connection.remote, error)
        finally:
            if connection.task is None:
                self._census.leave(connection)
                taken.close()

    # what connections need

    def joined(self, connection: Connection[A]) -> None:
        self._connections.add(connection)
        connection.task = self._tasks.spawn("connection", connection.run())

    def acquainted(self, connection: Connection[A]) -> None:
        self._census.acquaint(connection)

    def left(self, connection: Connection[A]) -> None:
        self._census.leave(connection)
        self._connections.discard(connection)
        if self.closing and not self._connections:
            self._empty.set()

    def date(self) -> str:
        """The time as HTTP writes it, made once a second."""
        second = int(self.clock.monotonic())
        if self._date[0] != second:
            self._date = second, format_datetime(self.clock.now(), usegmt=True)
        return self._date[1]

    async def _check(self) -> None:
        while True:
            await self.clock.sleep(CHECK_EVERY)
            now = self.clock.monotonic()
            for connection in list(self._connections):
                connection.check(now)
            self.unread.settle()
            self.unsent.settle()
