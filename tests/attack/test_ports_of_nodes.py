"""Who may create Services or pods takes ports from a node: what listens there is hidden, and its clients come to a pod.

A real proxy, its rules in a real kernel, and the node's own sockets there.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integration.network.pods import BareNode, Pod
from longboat.aio.clock import SystemClock
from longboat.api import kinds
from longboat.apiserver.app import APIServer, Config
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.network.proxy.listeners import Listener
from longboat.network.proxy.proxy import Proxy
from longboat.network.proxy.rules import HostPort
from longboat.storage.memory import MemoryStorage

pytestmark = [pytest.mark.root]

NODE, OTHER = "10.244.1.1", "10.244.1.6"  # the bridge's address, and a pod that stands for another node
LISTEN = """
import socket, sys
servers = [socket.create_server(("0.0.0.0", int(port))) for port in sys.argv[1:]]
print("listens", flush=True)
import selectors
selector = selectors.DefaultSelector()
for server in servers:
    selector.register(server, selectors.EVENT_READ)
while True:
    for key, _ in selector.select():
        with key.fileobj.accept()[0] as connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nthe node")
"""
READ = "from longboat.network.proxy.listeners import read; import json; print(json.dumps(sorted(read())))"
ASK = """
import sys, urllib.request
try:
    print(urllib.request.urlopen(f"http://{sys.argv[1]}:{sys.argv[2]}/", timeout=2).read().decode().strip())
except OSError as error:
    print(getattr(error, "reason", error))
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareNode]:
    node = BareNode(tmp_path_factory.mktemp("node"))
    listens = node.host.start(sys.executable, "-c", LISTEN, "22", "30022", stdout=subprocess.PIPE)
    assert listens.stdout is not None and listens.stdout.readline() == "listens\n"
    yield node
    listens.kill()
    listens.communicate()
    node.close()


@pytest.fixture(scope="module")
def pods(node: BareNode) -> list[Pod]:
    return [node.pod(number) for number in (5, 6)]


def service(name: str, port: int, node_port: int) -> dict[str, Any]:
    ports = [{"port": port, "nodePort": node_port}]
    spec = {"type": "LoadBalancer", "clusterIP": f"10.96.0.{port % 250}", "ports": ports, "selector": {"app": "x"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def endpoints(name: str, address: str) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}], "ports": [{"port": 8080}],
    }  # fmt: skip


def machine(name: str, address: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]}}  # fmt: skip


def ask(pod: Pod, address: str, port: int) -> str:
    return pod.python(ASK, address, str(port)).strip()


def test_no_service_and_no_pod_takes_a_port_at_which_the_node_listens(node: BareNode, pods: list[Pod]) -> None:
    """22 by load balancers with and without endpoints, by a hostPort, 30022 by a node port; 2222 and 30023 are free.
    And 22 of another node is that node's to give away."""
    told: list[tuple[str, str]] = []

    def listeners() -> frozenset[Listener]:
        found = json.loads(node.host.run(sys.executable, "-c", READ).ok().out)
        return frozenset((protocol, port, address) for protocol, port, address in found)

    async def main() -> None:
        clock = SystemClock()
        server = APIServer(MemoryStorage(clock), clock, Config())
        await server.start()
        client = RestClient(server.transport("admin", "system:masters"), clock)
        informers = Informers(client, clock)
        proxy = Proxy(
            informers, clock, "node-1", "10.244.0.0/16", node.apply, "10.96.0.0/16", addresses=(NODE,),
            listeners=listeners, tell=lambda service, text: told.append((service.metadata.name, text)),
        )  # fmt: skip
        informers.start()
        for name, address in (("node-1", NODE), ("node-2", OTHER)):
            await client.create(kinds.NODE, machine(name, address))
        shown = {"status": {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in (NODE, OTHER)]}}}
        for name, port, node_port in (("taken", 22, 30022), ("free", 2222, 30023)):
            await client.create(kinds.SERVICE, service(name, port, node_port), namespace="default")
            await client.create(kinds.ENDPOINT_SLICE, endpoints(name, pods[0].address), namespace="default")
            await client.patch(kinds.SERVICE, Key("default", name), shown, subresource="status")
        proxy.set_host_ports([HostPort("TCP", 22, pods[0].address, 8080), HostPort("TCP", 8022, pods[0].address, 8080)])
        running = asyncio.create_task(proxy.run())

        async def until_rules(say: Callable[[str], bool]) -> None:
            while not say(await asyncio.to_thread(node.apply, "list table ip longboat-services")):  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(0.01)

        try:
            async with asyncio.timeout(30):
                await proxy.synced.wait()
                await until_rules(lambda text: f"{NODE} . tcp . 2222" in text and f"{NODE} . tcp . 22 " in text)
                expected = {22: "the node", 30022: "the node", 2222: "pod-5", 30023: "pod-5", 8022: "pod-5"}
                for port, who in expected.items():
                    assert await asyncio.to_thread(ask, pods[1], NODE, port) == who, port
                assert "refused" in await asyncio.to_thread(ask, pods[0], OTHER, 22), "nobody listens there"
                listed = "node port 30022/TCP, port 22/TCP"
                assert told == [("taken", f"node node-1 does not serve {listed}: it listens there itself")]
                await client.delete(kinds.ENDPOINT_SLICE, Key("default", "taken"))
                await until_rules(lambda text: f"{NODE} . tcp . 22 : goto refused" in text)
                assert await asyncio.to_thread(ask, pods[1], NODE, 22) == "the node"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await informers.close()
            await server.close()

    asyncio.run(main())
