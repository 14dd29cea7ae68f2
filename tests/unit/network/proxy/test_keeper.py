"""One Service whose rules cannot be made keeps what it had; the others follow the API."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.network.families import IPV4, IPV6
from longboat.network.nftables import NftError
from longboat.network.proxy import keeper
from longboat.network.proxy.proxy import Proxy
from longboat.network.proxy.rules import HostPort, NodeInfo
from longboat.network.ruleset import Ruleset
from longboat.testing.cluster import Cluster
from suites.objects import service
from unit.network.kernel import Memory


async def test_an_odd_service_stands_in_nobodys_way(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
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

    await cluster.apply(service("odd", ports=[{"port": 80}]), service("good", ports=[{"port": 80}]))
    odd, good = [(await cluster.get(f"service/{name}"))["spec"]["clusterIP"] for name in ("odd", "good")]
    informers = Informers(cluster.client, cluster.clock, "network")
    proxy = Proxy(informers, cluster.clock, "n", "10.244.0.0/16", lambda text: applied.append(text) or "")
    running = asyncio.create_task(proxy.run())
    informers.start()
    async with asyncio.timeout(20):
        await until(cluster, odd)
        applied.clear()
        await cluster.apply(service("odd", ports=[{"port": 81}]))
        await cluster.delete("service/good")
        await until(cluster, good)
    assert odd not in "".join(applied)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await informers.close()


def test_loopback_leads_out_only_while_the_rules_are_known_to_hold() -> None:
    said, fails = list[bool](), list[bool]()

    def apply(commands: str) -> str:
        if fails:
            raise NftError("gone")
        return ""

    class Nothing:
        def values(self) -> list[object]:
            return []

    nothing: Any = Nothing()
    made = {
        family: keeper.Keeper(NodeInfo("n", family), nothing, nothing, apply, lambda *_: 0, said.append)
        for family in (IPV4, IPV6)
    }

    async def main() -> None:
        four = made[IPV4]
        assert await four.sync() and said == [False], "no host ports"
        four.set_host_ports([HostPort("TCP", 80, "10.244.1.5", 80)])
        assert await four.sync() and said[-1]
        fails.append(True)
        assert not await four.check() and not said[-1], "somebody took them away"
        assert not await four.sync() and not said[-1]
        fails.clear()
        assert await four.sync() and said[-1]
        four.set_host_ports([])
        assert await four.sync() and not said[-1]
        said.clear()
        made[IPV6].set_host_ports([HostPort("TCP", 80, "fd00::5", 80)])
        assert await made[IPV6].sync() and said == []

    asyncio.run(main())


def test_of_two_services_with_one_address_the_later_has_it_and_the_other_when_that_goes() -> None:
    """A status may say so, whoever wrote it. The rules of everybody else stay as they are meanwhile."""
    kernel, services, commands = Memory(), dict[Key, keeper.Service](), list[str]()

    class Given:
        def values(self) -> list[keeper.Service]:
            return list(services.values())

        get = staticmethod(services.get)

        def by_index(self, name: str, key: str) -> list[object]:
            return []

    def apply(text: str) -> str:
        commands.append(text)
        try:
            kernel.run(text)
        except AssertionError as error:
            raise NftError(str(error)) from error
        return ""

    given: Any = Given()
    made = keeper.Keeper(NodeInfo("n", IPV4), given, given, apply, lambda *_: 0, lambda _: None)

    async def put(name: str, address: str) -> None:
        obj = {
            "metadata": {"namespace": "d", "name": name},
            "spec": {"type": "LoadBalancer", "clusterIP": address, "ports": [{"port": 80}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
        }
        services[Key("d", name)] = msgspec.convert(obj, keeper.Service)
        made.mark(Key("d", name))
        assert await made.sync()

    async def main() -> None:
        await put("a", "10.96.0.1")
        before = {name: dict(items) for name, items in kernel.elements.items()}
        assert any(key.startswith("192.0.2.1 .") for items in before.values() for key in items)
        await put("b", "10.96.0.2")
        assert "delete table" not in commands[-1]
        del services[Key("d", "b")]
        made.mark(Key("d", "b"))
        assert await made.sync()
        assert kernel.elements == before

    asyncio.run(main())
