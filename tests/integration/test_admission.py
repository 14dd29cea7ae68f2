"""Admission that reads what a controller, or another API server, is just making."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from integration.workloads import add_node
from longboat.aio.clock import VirtualClock
from longboat.apiserver.app import APIServer, Config
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.storage.memory import MemoryStorage
from longboat.testing.cluster import Cluster
from suites.objects import pod


async def test_a_pod_is_made_right_after_its_namespace(cluster: Cluster) -> None:
    """kubectl apply -f of both: the account comes when the controller has seen the namespace."""
    await add_node(cluster, "a")
    for number in range(12):
        await cluster.client.create(cluster.kind("namespace"), {"metadata": {"name": f"shop-{number}"}})
        await cluster.client.create(cluster.kind("pod"), pod("hello"), namespace=f"shop-{number}")
        made = await cluster.get("pod/hello", f"shop-{number}")
        assert made["spec"]["volumes"][0]["name"].startswith("kube-api-access-")


def test_an_account_that_nobody_makes_is_waited_for_so_long() -> None:
    async def main() -> None:
        clock = VirtualClock()
        storage = MemoryStorage(clock)
        server = APIServer(storage, clock, Config())
        await server.start()
        client = RestClient(server.transport("admin", "system:masters"), clock)
        kinds = {strategy.kind.name: strategy.kind for strategy in server.strategies if strategy.top_level}
        asked = asyncio.create_task(client.create(kinds["Pod"], pod("hello"), namespace="default"))
        await clock.advance(1.7)
        assert not asked.done()
        await clock.advance(0.2)
        with pytest.raises(StatusError, match='account default/default: serviceaccount "default" not found'):
            await asked
        with pytest.raises(StatusError, match='serviceaccount "robot" not found'):  # made by people: not waited for
            await client.create(kinds["Pod"], pod("hello", serviceAccountName="robot"), namespace="default")
        await server.close()
        await storage.close()

    asyncio.run(main())


class Lagging:
    """A storage whose events come late: not before somebody asks how far it has come."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage
        self.asked = asyncio.Event()
        self.asked.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def current_revision(self) -> int:
        self.asked.set()
        return await self._storage.current_revision()

    async def watch(self, prefix: str, from_revision: int, *, previous: bool = True) -> AsyncIterator[Any]:
        async for batch in self._storage.watch(prefix, from_revision, previous=previous):
            await self.asked.wait()
            yield batch


@pytest.mark.parametrize(
    ("named", "missing"),
    [({}, "Namespace"), ({"serviceAccountName": "robot"}, "ServiceAccount"),
     ({"priorityClassName": "high"}, "PriorityClass"), ({"runtimeClassName": "fast"}, "RuntimeClass")],
)  # fmt: skip
def test_what_another_api_server_has_just_written_counts(named: Object, missing: str) -> None:
    """Its events may be under way still: no cache alone says that something is not there."""

    async def main() -> None:
        clock = VirtualClock()
        storage = MemoryStorage(clock)
        lagging = Lagging(storage)
        one, other = APIServer(storage, clock, Config()), APIServer(lagging, clock, Config())
        await one.start()
        await other.start()
        kinds = {strategy.kind.name: strategy.kind for strategy in one.strategies if strategy.top_level}
        makes = {
            "Namespace": ({"metadata": {"name": "shop"}}, ""),
            "Default": ({"metadata": {"name": "default"}}, "shop"),
            "ServiceAccount": ({"metadata": {"name": "robot"}}, "shop"),
            "PriorityClass": ({"metadata": {"name": "high"}, "value": 7}, ""),
            "RuntimeClass": ({"metadata": {"name": "fast"}, "handler": "fast"}, ""),
        }
        first, second = (RestClient(server.transport("admin", "system:masters"), clock) for server in (one, other))
        late = False
        for name, (obj, namespace) in makes.items():
            if name == missing:
                await clock.advance(0)
                lagging.asked.clear()
                late = True
            await first.create(kinds["ServiceAccount" if name == "Default" else name], obj, namespace=namespace)
        assert late and not lagging.asked.is_set()
        await second.create(kinds["Pod"], pod("hello", **named), namespace="shop")
        for server in (one, other):
            await server.close()
        await storage.close()

    asyncio.run(main())
