"""A name server outside the cluster, on this machine's loopback: answers as the test says, over UDP and TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Answer = Callable[[dns.message.Message, bool], list[bytes]]


def answer(query: dns.message.Message, *records: str, rcode: int = 0, soa: str = "", flags: int = 0) -> bytes:
    """`records` and `soa` are like "www.example.com. 60 IN A 192.0.2.1"."""
    made = dns.message.make_response(query, recursion_available=True)
    made.set_rcode(dns.rcode.Rcode(rcode))
    made.flags |= flags
    for record in records:
        made.answer.append(dns.rrset.from_text(*record.split(" ", 4)))
    if soa:
        made.authority.append(dns.rrset.from_text(*soa.split(" ", 4)))
    return made.to_wire()


class Outside:
    """`async with` it. `asked` are the questions that came, with the client's port and whether over TCP."""

    def __init__(self, reply: Answer) -> None:
        self.reply = reply
        self.asked: list[tuple[dns.message.Message, int, bool]] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=("127.0.0.1", self.port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._udp.close()
        self._tcp.close()

    def take(self, packet: bytes, port: int, tcp: bool) -> list[bytes]:
        query = dns.message.from_wire(packet)
        self.asked.append((query, port, tcp))
        return self.reply(query, tcp)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packet = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        for found in self.take(packet, writer.get_extra_info("peername")[1], True):
            writer.write(len(found).to_bytes(2) + found)
        writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        for found in self._outside.take(data, addr[1], False):
            self._transport.sendto(found, addr)
