"""The proxy against a real API server, with the kernel in memory: what it writes, when, and after what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from longboat.aio.clock import SystemClock
from longboat.api import kinds
from longboat.apiserver.app import APIServer, Config
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.network.nftables import NftError
from longboat.network.proxy.proxy import Proxy
from longboat.network.proxy.rules import HostPort
from longboat.storage.memory import MemoryStorage
from unit.network.kernel import Memory

WEB = Key("default", "web")


class Kernel(Memory):
    """Counts transactions, and refuses as many as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.transactions: list[str] = []
        self.refuse = 0
        self.lost = False

    def apply(self, commands: str) -> str:
        if commands.startswith("list "):
            if self.lost:
                raise NftError("No such file or directory")
            return ""
        if self.refuse:
            self.refuse -= 1
            raise NftError("refused")
        self.transactions.append(commands)
        self.run(commands)
        return ""

    def delete_table(self, *_: str) -> None:
        self.chains, self.tables, self.elements = {}, {}, {}

    def text(self) -> str:
        return str((self.chains, self.elements))


def service(*ports: int) -> dict[str, Any]:
    found = [{"name": f"p{port}", "port": port} for port in ports]
    spec = {"clusterIP": "10.96.7.7", "ports": found, "selector": {"app": "web"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def endpoints(*addresses: str) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
        "ports": [{"name": "p80", "port": 8080}],
    }


Scenario = Callable[[RestClient, Proxy, Kernel], Coroutine[Any, Any, None]]


def play(scenario: Scenario) -> None:
    async def main() -> None:
        clock = SystemClock()
        server = APIServer(MemoryStorage(clock), clock, Config())
        await server.start()
        client = RestClient(server.transport("admin", "system:masters"), clock)
        informers, kernel = Informers(client, clock), Kernel()
        proxy = Proxy(informers, clock, "node-1", "10.244.0.0/16", kernel.apply)
        informers.start()
        running = asyncio.create_task(proxy.run())
        try:
            async with asyncio.timeout(20):
                await proxy.synced.wait()
                await scenario(client, proxy, kernel)
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await informers.close()
            await server.close()

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the kernel in memory tells nobody
        await asyncio.sleep(0.002)


def test_rules_follow_services_and_their_endpoints() -> None:
    async def scenario(client: RestClient, proxy: Proxy, kernel: Kernel) -> None:
        await client.create(kinds.SERVICE, service(80), namespace="default")
        await until(lambda: "10.96.7.7" in kernel.text())
        await client.create(kinds.ENDPOINT_SLICE, endpoints("10.244.1.5"), namespace="default")
        await until(lambda: "10.244.1.5:8080" in kernel.text())
        patch = {"endpoints": endpoints("10.244.1.6")["endpoints"]}
        await client.patch(kinds.ENDPOINT_SLICE, Key("default", "web-1"), patch)
        await until(lambda: "10.244.1.6:8080" in kernel.text() and "10.244.1.5" not in kernel.text())
        assert "service-addresses" not in kernel.transactions[-1], "endpoints change without touching the dispatch"
        await client.delete(kinds.SERVICE, WEB)
        await until(lambda: "10.96.7.7" not in kernel.text() and "10.244.1.6" not in kernel.text())

    play(scenario)


def test_a_burst_is_one_transaction() -> None:
    async def scenario(client: RestClient, proxy: Proxy, kernel: Kernel) -> None:
        await asyncio.sleep(0.05)
        before = len(kernel.transactions)
        ports = [proxy.set_host_ports([HostPort("TCP", 8000 + n, "10.244.1.5", 80)]) for n in range(50)]
        assert len(ports) == 50
        await until(lambda: "8049" in kernel.text())
        assert len(kernel.transactions) == before + 1

    play(scenario)


def test_a_refused_transaction_is_followed_by_a_whole_one() -> None:
    async def scenario(client: RestClient, proxy: Proxy, kernel: Kernel) -> None:
        kernel.refuse = 1
        await client.create(kinds.SERVICE, service(80), namespace="default")
        await until(lambda: "10.96.7.7" in kernel.text())
        assert kernel.transactions[-1].startswith("add table")

    play(scenario)


def test_a_node_learns_its_pods_range() -> None:
    async def scenario(client: RestClient, proxy: Proxy, kernel: Kernel) -> None:
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "node-1"},
            "spec": {"podCIDR": "10.244.3.0/29"},
        }
        await client.create(kinds.NODE, node)
        await until(lambda: "10.244.3.6 . 10.244.3.6" in kernel.text())

    play(scenario)


def test_what_nobody_has_of_a_range_of_services_is_refused_as_ranges_come_and_go() -> None:
    async def scenario(client: RestClient, proxy: Proxy, kernel: Kernel) -> None:
        refused = "ip daddr 203.0.113.0/24 goto refused"
        assert refused not in kernel.text()
        more = {
            "kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": "more"},
            "spec": {"cidrs": ["203.0.113.0/24", "2001:db8::/64"]},
        }  # fmt: skip
        await client.create(kinds.SERVICE_CIDR, more)
        await until(lambda: refused in kernel.text())
        assert "2001:db8" not in kernel.text()
        await client.delete(kinds.SERVICE_CIDR, Key("", "more"))
        await until(lambda: refused not in kernel.text())

    play(scenario)
