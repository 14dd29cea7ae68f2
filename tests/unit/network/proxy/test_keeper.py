"""One Service whose rules cannot be made keeps what it had; the others follow the API."""

from __future__ import annotations

import asyncio

import pytest

from longboat.client.informer import Informers
from longboat.machinery.objects import Object
from longboat.network.proxy import keeper
from longboat.network.proxy.proxy import Proxy
from longboat.network.proxy.ruleset import Ruleset
from longboat.testing.cluster import Cluster


def service(name: str, port: int) -> Object:
    spec = {"selector": {"app": name}, "ports": [{"port": port}]}
    return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}


def test_an_odd_service_stands_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    make, applied = keeper.service_rules, list[str]()

    def fails(given: keeper.Service, *rest: object) -> Ruleset:
        if given.metadata.name == "odd" and given.spec.ports[0].port == 81:
            raise ValueError("odd")
        return make(given, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(keeper, "service_rules", fails)

    async def until(cluster: Cluster, text: str) -> None:
        while not any(text in each for each in applied):  # rules are applied in a thread
            await cluster.clock.advance(0.1)
            await asyncio.sleep(0.001)

    async def main() -> None:
        async with Cluster() as cluster:
            await cluster.apply(service("odd", 80), service("good", 80))
            odd, good = [(await cluster.get(f"service/{name}"))["spec"]["clusterIP"] for name in ("odd", "good")]
            informers = Informers(cluster.client, cluster.clock, "network")
            proxy = Proxy(informers, cluster.clock, "n", "10.244.0.0/16", lambda text: applied.append(text) or "")
            running = asyncio.create_task(proxy.run())
            informers.start()
            async with asyncio.timeout(20):
                await until(cluster, odd)
                applied.clear()
                await cluster.apply(service("odd", 81))
                await cluster.delete("service/good")
                await until(cluster, good)
            assert odd not in "".join(applied)
            assert not running.done()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await informers.close()

    asyncio.run(main())
