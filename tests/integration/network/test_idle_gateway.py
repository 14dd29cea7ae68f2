"""What a gateway does where there is no Ingress, or nothing about one has changed: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from longboat.aio.clock import VirtualClock
from longboat.aio.tasks import Tasks
from longboat.api import kinds
from longboat.apiserver.app import APIServer, Config
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.network.ingress import gateway, routing
from longboat.network.ingress.config import Settings
from longboat.network.ingress.haproxy import BINARY, Haproxy
from longboat.network.ingress.secrets import Secrets
from longboat.storage.memory import MemoryStorage

pytestmark = pytest.mark.skipif(not Path(BINARY).exists(), reason="needs haproxy")


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows each time that a gateway works out its routes."""
    found: list[None] = []
    table: Callable[..., Any] = routing.table

    def counted(*arguments: Any) -> Any:
        found.append(None)
        return table(*arguments)

    monkeypatch.setattr(routing, "table", counted)
    return found


class Site:
    """An API server in this process with a node, at a clock that stands still."""

    async def __aenter__(self) -> Self:
        self.clock, self.tasks = VirtualClock(), Tasks("test")
        self.api = APIServer(MemoryStorage(self.clock), self.clock, Config())
        await self.api.start()
        self.client = RestClient(self.api.transport("admin", "system:masters"), self.clock)
        await self.client.create(kinds.NODE, {"metadata": {"name": "n"}})
        self.informers = Informers(self.client, self.clock, "network")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.tasks.close()
        await self.informers.close()
        await self.api.close()


def test_a_gateway_rests_while_there_is_no_ingress(rounds: list[None], tmp_path: Path) -> None:
    async def main() -> None:
        async with Site() as site:
            events = EventRecorder(site.client, site.clock, "longboat-ingress", "n")
            served = gateway.Gateway(site.informers, site.clock, "n", Settings(tmp_path, 8080, 8443), events)
            site.tasks.spawn("gateway", served.run())
            site.informers.start()
            await site.clock.advance(1.0)
            before = len(rounds)
            assert 1 <= before <= 5
            await site.clock.advance(60.0)
            assert len(rounds) == before
            await events.close()

    asyncio.run(main())


def test_who_asks_whether_certificates_are_judged_is_told_of_no_change(tmp_path: Path) -> None:
    async def main() -> None:
        told: list[None] = []
        async with Site() as site:
            haproxy = Haproxy(Settings(tmp_path, 8080, 8443), site.clock)
            secrets = Secrets(site.informers, site.clock, haproxy, lambda: told.append(None))
            site.tasks.spawn("secrets", secrets.run())
            site.informers.start()
            key = Key("default", "held")
            secrets.follow([key])
            await secrets.settled()
            await site.clock.advance(1.0)
            assert told == []

            data = {"tls.crt": "eA==", "tls.key": "eA=="}
            body = {"metadata": {"name": key.name}, "type": "kubernetes.io/tls", "data": data}
            for change in (
                site.client.create(kinds.SECRET, body, namespace=key.namespace),
                site.client.delete(kinds.SECRET, key),
            ):
                await change
                await site.clock.advance(1.0)
                assert len(told) == 1
                told.clear()
                await secrets.settled()
                await site.clock.advance(1.0)
                assert told == []

    asyncio.run(main())
