"""The sockets: batches over UDP, conversations over TCP, and how both end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import dns.message
import dns.query
import pytest

from longboat.aio.clock import SystemClock
from longboat.network.dns import server as server_module
from longboat.network.dns.cluster_dns import ClusterDNS
from longboat.network.dns.server import Server
from unit.network.dns.book import Book, Desk, lines, namespace, service

NAME = "web.shop.svc.cluster.local"
ADDRESS = "127.53.53.53"  # nobody else's: a port that is free for UDP must be free for TCP too


def serving(story: Callable[[Server, int], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        desk = Desk(namespace("shop"), service("web", "10.96.3.4"))
        server = Server(desk.resolver, SystemClock(), ADDRESS, 0)
        await server.open()
        try:
            await asyncio.wait_for(story(server, server.address[1]), 20)
        finally:
            await server.close()

    asyncio.run(main())


def test_udp_and_tcp_answer() -> None:
    async def story(server: Server, port: int) -> None:
        query = dns.message.make_query(NAME, "A")
        for ask in (dns.query.udp, dns.query.tcp):
            found = await asyncio.to_thread(ask, query, ADDRESS, port=port, timeout=5)
            assert lines(found.answer) == [f"{NAME}. A 10.96.3.4"]

    serving(story)


def test_a_flood_is_answered_whole_and_leaves_turns_to_others() -> None:
    async def story(server: Server, port: int) -> None:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        client.connect((ADDRESS, port))
        for number in range(200):
            client.send(dns.message.make_query(NAME, "A", id=number).to_wire())
        turns, seen = 0, set()
        while len(seen) < 200:
            await asyncio.sleep(0)
            turns += 1
            try:
                while True:
                    seen.add(int.from_bytes(client.recv(512)[:2]))
            except BlockingIOError:
                pass
        assert turns >= 200 // server_module.BATCH
        client.close()

    serving(story)


def test_one_tcp_connection_takes_many_questions() -> None:
    async def story(server: Server, port: int) -> None:
        reader, writer = await asyncio.open_connection(ADDRESS, port)
        for number in range(5):
            packet = dns.message.make_query(NAME, "A", id=number).to_wire()
            writer.write(len(packet).to_bytes(2) + packet[:7])
            await writer.drain()
            writer.write(packet[7:])
            answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            assert dns.message.from_wire(answer).id == number
        writer.write(b"\0\3abc")
        assert await reader.read() == b"", "nonsense ends it"
        writer.close()

    serving(story)


def test_silent_connections_are_few_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "IDLE", 0.3)

    async def story(server: Server, port: int) -> None:
        opened = [await asyncio.open_connection(ADDRESS, port) for _ in range(server_module.MOST_PER_CLIENT)]
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection(ADDRESS, port)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        for reader, writer in opened:
            try:
                assert await reader.read() == b""
            except ConnectionResetError:
                pass
            writer.close()
        await asyncio.sleep(0.01)
        assert not server._clients

    serving(story)


def test_it_waits_for_its_address_and_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from longboat.network.dns import cluster_dns

    monkeypatch.setattr(cluster_dns, "RETRY", 0.01)
    claims: list[str] = []

    def claim(address: str) -> None:
        claims.append(address)
        if len(claims) < 3:
            raise OSError(98, "in use")

    async def main() -> None:
        released: list[str] = []
        book = Book()
        dns_ = ClusterDNS(
            book, SystemClock(), domain="cluster.local", addresses=(ADDRESS,), port=0,
            claim=claim, release=released.append, forward_to=lambda: [ADDRESS, "192.0.2.1"],
        )  # fmt: skip
        running = asyncio.create_task(dns_.run())
        while not dns_.servers[0].address[1]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        assert claims == [ADDRESS] * 3
        assert dns_._forwarder.servers == ("192.0.2.1",), "it does not ask itself"
        query = dns.message.make_query(NAME, "A")
        port = dns_.servers[0].address[1]
        found = await asyncio.to_thread(dns.query.udp, query, ADDRESS, port=port, timeout=5)
        assert found.rcode() == dns.rcode.SERVFAIL
        said, block = dns_.metrics(), 'server="dns://:53",view="",zone="."'
        assert f'coredns_dns_responses_total{{plugin="kubernetes",rcode="SERVFAIL",{block}}} 1' in said
        assert f"coredns_dns_request_duration_seconds_count{{{block}}} 1" in said
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert released == [ADDRESS]

    asyncio.run(asyncio.wait_for(main(), 20))
