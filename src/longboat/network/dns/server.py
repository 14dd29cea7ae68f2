"""The sockets: UDP in batches, TCP with a task per connection."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from contextlib import suppress

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.network.dns.metrics import TCP4, TCP6, UDP4, UDP6
from longboat.network.dns.resolver import Later, Resolver

log = logging.getLogger(__name__)
BATCH = 16  # packets answered before the loop's other work gets its turn: a tenth to half of a millisecond
LARGEST_QUERY = 4096  # bytes
BUFFER = 1 << 20  # bytes the kernel may queue while the loop is busy
IDLE = 10.0  # seconds a TCP connection may be silent, or an answer unread
MOST_CONNECTIONS, MOST_PER_CLIENT = 512, 32
SO_RCVBUFFORCE = 33  # asm-generic/socket.h

Address = tuple[str, int]


class Server:
    """Answers at one address. `open` raises OSError; until then, and after `close`, nobody answers there."""

    def __init__(self, resolver: Resolver, clock: Clock, address: str, port: int = 53) -> None:
        self._resolver, self._clock = resolver, clock
        self._took = resolver.counts.took.observe
        self.address: Address = (address, port)
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._udp: socket.socket | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks = Tasks("dns/server")
        self._clients: Counter[str] = Counter()  # TCP connections of each
        six = self._family == socket.AF_INET6
        self._way, self._tcp_way = (UDP6, TCP6) if six else (UDP4, TCP4)
        self.dropped = 0  # answers the kernel did not take

    async def open(self) -> None:
        """Raises OSError."""
        udp = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        tcp = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            udp.bind(self.address)
            self.address = udp.getsockname()[:2]
            tcp.bind(self.address)
            with suppress(PermissionError):  # without privileges the buffer stays as the kernel has it
                udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
            self._tcp = await asyncio.start_server(self._connected, sock=tcp)
        except OSError:
            udp.close()
            tcp.close()
            raise
        self._udp = udp
        asyncio.get_running_loop().add_reader(udp, self._readable, udp)

    async def close(self) -> None:
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
            self._udp = None
        if self._tcp is not None:
            self._tcp.close()
            self._tcp = None
        await self._tasks.close()

    def _readable(self, udp: socket.socket) -> None:
        receive, send, answer, way = udp.recvfrom, udp.sendto, self._resolver.answer, self._way
        began, answered = self._clock.monotonic(), 0
        for _ in range(BATCH):
            try:
                packet, client = receive(LARGEST_QUERY)
            except BlockingIOError:
                break
            except OSError as error:  # an ICMP error for an earlier answer
                log.debug("receiving: %s", error)
                continue
            found = answer(packet, way)
            if type(found) is bytes:
                answered += 1
                try:
                    send(found, client)
                except OSError:  # the client is gone, or does not read fast enough: it will ask again
                    self.dropped += 1
            elif found is not None:
                self._tasks.spawn("udp", self._later(udp, found, client, began))  # type: ignore[arg-type]
        if answered:
            self._took((self._clock.monotonic() - began) / answered, answered)

    async def _later(self, udp: socket.socket, found: Later, client: Address, began: float) -> None:
        answer = await found
        self._took(self._clock.monotonic() - began)
        try:
            udp.sendto(answer, client)
        except OSError:
            self.dropped += 1

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = (writer.get_extra_info("peername") or ("",))[0]
        if self._clients[peer] >= MOST_PER_CLIENT or self._clients.total() >= MOST_CONNECTIONS:
            writer.transport.abort()
        else:
            self._clients[peer] += 1
            self._tasks.spawn("tcp", self._serve(peer, reader, writer))

    async def _serve(self, peer: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        finally:
            writer.transport.abort()
            self._clients[peer] -= 1
            if not self._clients[peer]:
                del self._clients[peer]

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Questions and answers, each after its length (RFC 7766), until the client has enough."""
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            while True:
                async with self._clock.timeout(IDLE):
                    packet = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                began = self._clock.monotonic()
                found = self._resolver.answer_tcp(packet, self._tcp_way)
                if found is None:
                    return
                answer = found if isinstance(found, bytes) else await found
                self._took(self._clock.monotonic() - began)
                writer.write(len(answer).to_bytes(2) + answer)
                async with self._clock.timeout(IDLE):
                    await writer.drain()
