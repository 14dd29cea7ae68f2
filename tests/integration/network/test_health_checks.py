"""Health ports open, answer and close as Services and Nodes say."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from longboat.aio.clock import SystemClock
from longboat.api import kinds
from longboat.apiserver.app import APIServer, Config
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.network.proxy.health import ProxyHealth
from longboat.network.proxy.health_checks import HealthChecks
from longboat.storage.memory import MemoryStorage

Scenario = Callable[[RestClient, int, int], Coroutine[Any, Any, None]]
WEB = Key("default", "web")


def free_port(first: int) -> int:
    """A port of the range of node ports that nobody listens at."""
    for port in range(first, 32768):
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def play(scenario: Scenario) -> None:
    async def main() -> None:
        clock = SystemClock()
        server = APIServer(MemoryStorage(clock), clock, Config())
        await server.start()
        client = RestClient(server.transport("admin", "system:masters"), clock)
        informers, events = Informers(client, clock), EventRecorder(client, clock, "kube-proxy", "here")
        own, port = free_port(30000), free_port(31000)
        running = asyncio.create_task(HealthChecks(informers, clock, "here", ProxyHealth(clock), events, own).run())
        informers.start()
        try:
            async with asyncio.timeout(20):
                await scenario(client, own, port)
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await events.close()
            await informers.close()
            await server.close()

    asyncio.run(main())


async def ask(port: int, path: str = "/", method: str = "GET", times: int = 1) -> list[tuple[int, dict[str, str], str]]:
    """Status, headers and body of each answer, over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    for _ in range(times):
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: node\r\n\r\n".encode())
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = 0 if method == "HEAD" else int(headers["Content-Length"])
        found.append((int(first.split()[1]), headers, (await reader.readexactly(length)).decode()))
    writer.close()
    return found


async def status(port: int, path: str = "/") -> int:
    """0 where nobody listens."""
    try:
        return (await ask(port, path))[0][0]
    except OSError:
        return 0


async def until(port: int, wanted: int, path: str = "/") -> None:
    while await status(port, path) != wanted:  # noqa: ASYNC110 - only asking tells
        await asyncio.sleep(0.005)


def service(port: int, name: str = "web") -> dict[str, Any]:
    spec = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": port,
        "ports": [{"port": 80}],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def endpoints(*nodes: str) -> dict[str, Any]:
    found = [{"addresses": [f"10.0.0.{n}"], "nodeName": node} for n, node in enumerate(nodes, 1)]
    labels = {"kubernetes.io/service-name": "web"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "labels": labels},
        "addressType": "IPv4",
        "endpoints": found,
        "ports": [{"port": 80}],
    }


def test_a_service_has_a_port_while_it_needs_one() -> None:
    async def scenario(client: RestClient, own: int, port: int) -> None:
        await client.create(kinds.SERVICE, service(port), namespace="default")
        await until(port, 503)
        await client.create(kinds.ENDPOINT_SLICE, endpoints("there", "here"), namespace="default")
        await until(port, 200, "/whatever?x=y")
        for code, headers, body in await ask(port, times=3):
            assert (code, headers["X-Load-Balancing-Endpoint-Weight"]) == (200, "1")
            assert json.loads(body)["localEndpoints"] == 1
        assert (await ask(port, method="HEAD"))[0][0] == 200
        await client.patch(kinds.ENDPOINT_SLICE, Key("default", "web-1"), {"endpoints": []})
        await until(port, 503)
        await client.patch(kinds.SERVICE, WEB, {"spec": {"externalTrafficPolicy": "Cluster"}})
        await until(port, 0)
        await client.patch(
            kinds.SERVICE, WEB, {"spec": {"externalTrafficPolicy": "Local", "healthCheckNodePort": port}}
        )
        await until(port, 503)
        await client.delete(kinds.SERVICE, WEB)
        await until(port, 0)

    play(scenario)


def test_a_port_that_is_in_use_is_told() -> None:
    async def scenario(client: RestClient, own: int, port: int) -> None:
        with socket.socket() as taken:
            taken.bind(("0.0.0.0", port))
            taken.listen()
            await client.create(kinds.SERVICE, service(port), namespace="default")
            while not (found := (await client.list_page(kinds.CORE_EVENT, namespace="default", limit=0)).items):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        event = json.loads(bytes(found[0]))
        assert event["reason"] == "FailedToStartServiceHealthcheck"
        assert event["message"].startswith(f'node here failed to start healthcheck "default/web" on port {port}: ')

    play(scenario)


def test_the_proxys_own_port() -> None:
    async def scenario(client: RestClient, own: int, port: int) -> None:
        await until(own, 503, "/healthz")
        assert await status(own, "/livez") == 200, "a node that is not there is not the proxy's fault"
        await client.create(kinds.NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "here"}})
        await until(own, 200, "/healthz")
        taints = [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]
        await client.patch(kinds.NODE, Key("", "here"), {"spec": {"taints": taints}})
        await until(own, 503, "/healthz")
        ((code, headers, body),) = await ask(own, "/healthz")
        assert headers["Content-Type"] == "application/json" and json.loads(body)["nodeEligible"] is False
        ((code, headers, body),) = await ask(own, "/other")
        assert (code, body) == (404, "404 page not found\n")

    play(scenario)
