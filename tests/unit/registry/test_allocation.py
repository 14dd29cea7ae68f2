"""Services get addresses and ports that nobody else has, whoever writes, and give them back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from longboat.aio.clock import SystemClock, VirtualClock
from longboat.api import kinds
from longboat.machinery.errors import StatusError
from longboat.registry.admission import Admitted, Attributes
from longboat.registry.allocators.ports import KEY, Bitmap, NodePorts
from longboat.registry.allocators.repair import Repair
from longboat.registry.strategy import Deletion
from longboat.registry.write import Write
from longboat.storage.memory import MemoryStorage
from suites.objects import service
from unit.registry.stores import Stores, opened


def with_stores(test: Callable[[Stores], Awaitable[None]], **wish: Any) -> None:
    async def main() -> None:
        async with opened(**wish) as stores:
            await test(stores)

    asyncio.run(main())


def addresses(stores: Stores) -> set[str]:
    return {entry.key.rpartition("/")[2] for entry in stores[kinds.IP_ADDRESS].entries()}


async def node_ports(stores: Stores) -> set[int]:
    return await stores.services.ports.taken()


async def refused(made: Awaitable[Any]) -> StatusError:
    with pytest.raises(StatusError) as found:
        await made
    return found.value


def test_a_service_gets_an_address_from_the_upper_band() -> None:
    async def test(stores: Stores) -> None:
        made = await stores.create(kinds.SERVICE, service())
        spec = made["spec"]
        assert spec["clusterIPs"] == [spec["clusterIP"]]
        assert int(spec["clusterIP"].rpartition(".")[2]) > 16
        assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
        assert addresses(stores) == {spec["clusterIP"]}
        await stores[kinds.SERVICE].delete("default", "web", Deletion(), Write())
        assert addresses(stores) == set()

    with_stores(test)


def test_an_address_is_given_once() -> None:
    async def test(stores: Stores) -> None:
        await stores.create(kinds.SERVICE, service("a", clusterIP="10.96.0.10"))
        error = await refused(stores.create(kinds.SERVICE, service("b", clusterIP="10.96.0.10")))
        assert error.code == 422
        assert error.message == (
            'Service "b" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: '
            "failed to allocate IP 10.96.0.10: provided IP is already allocated"
        )
        error = await refused(stores.create(kinds.SERVICE, service("b", clusterIP="10.97.0.10")))
        assert "failed to allocate IP 10.97.0.10: the provided network does not match the current range" in str(error)

    with_stores(test)


def test_a_full_range_says_so_and_leaves_nothing_behind() -> None:
    async def test(stores: Stores) -> None:
        for i in range(6):
            await stores.create(kinds.SERVICE, service(f"s{i}", type="NodePort"))
        assert len(addresses(stores)) == 6
        error = await refused(stores.create(kinds.SERVICE, service("one-more")))
        assert (error.code, error.message) == (
            500,
            "Internal error occurred: failed to allocate a serviceIP: range is full",
        )
        assert len(await node_ports(stores)) == 6

    with_stores(test, cidr="10.96.0.0/29")


def test_node_ports_come_and_go_with_the_type() -> None:
    async def test(stores: Stores) -> None:
        made = await stores.create(kinds.SERVICE, service(type="NodePort", ports=[
            {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}, {"name": "b", "port": 81},
        ]))  # fmt: skip
        ports = [port["nodePort"] for port in made["spec"]["ports"]]
        assert ports[0] == ports[1] != ports[2]  # one number serves both protocols
        assert await node_ports(stores) == set(ports)
        former = made["spec"]["clusterIP"]

        def plain(found: dict[str, Any]) -> None:
            found["spec"]["type"] = "ClusterIP"

        made = await stores.change(kinds.SERVICE, "web", plain)
        assert not any("nodePort" in port for port in made["spec"]["ports"])
        assert await node_ports(stores) == set()
        assert made["spec"]["clusterIP"] == former

        def external(found: dict[str, Any]) -> None:
            found["spec"]["type"] = "ExternalName"
            found["spec"]["externalName"] = "example.com"

        made = await stores.change(kinds.SERVICE, "web", external)
        assert "clusterIP" not in made["spec"] and "ipFamilies" not in made["spec"]
        assert addresses(stores) == set()

    with_stores(test)


def test_a_node_port_is_given_once() -> None:
    async def test(stores: Stores) -> None:
        port = [{"port": 80, "nodePort": 30001}]
        await stores.create(kinds.SERVICE, service("a", type="NodePort", ports=port))
        error = await refused(stores.create(kinds.SERVICE, service("b", type="NodePort", ports=port)))
        assert error.message == (
            'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated'
        )
        assert len(addresses(stores)) == 1
        port = [{"port": 80, "nodePort": 80}]
        error = await refused(stores.create(kinds.SERVICE, service("b", type="NodePort", ports=port)))
        assert "provided port is not in the valid range. The range of valid ports is 30000-30063" in error.message

    with_stores(test)


def wanted(*ports: tuple[int, int, str], name: str = "b") -> dict[str, Any]:
    listed = [{"name": f"p{i}", "port": port, "nodePort": number, "protocol": protocol}
              for i, (port, number, protocol) in enumerate(ports)]  # fmt: skip
    return service(name, type="NodePort", ports=listed)


def test_a_node_port_of_two_ports_of_a_service() -> None:
    """Upstream gives a new service a node port once for each number of its ports, whatever their protocols."""

    async def test(stores: Stores) -> None:
        made = await stores.create(kinds.SERVICE, wanted((53, 30001, "TCP"), (53, 30001, "UDP"), name="a"))
        assert await node_ports(stores) == {30001}
        for other in ("TCP", "UDP"):
            error = await refused(stores.create(kinds.SERVICE, wanted((80, 30002, "TCP"), (81, 30002, other))))
            assert (error.code, error.message) == (
                422, 'Service "b" is invalid: spec.ports[1].nodePort: Invalid value: 30002: provided port is already '
                "allocated")  # fmt: skip
        assert await node_ports(stores) == {30001}

        def ports(*found: tuple[int, int, str]) -> Callable[[dict[str, Any]], None]:
            return lambda it: it["spec"].update(ports=wanted(*found)["spec"]["ports"])

        change = stores.change(kinds.SERVICE, "a", ports((53, 30001, "TCP"), (80, 30003, "TCP"), (81, 30003, "TCP")))
        error = await refused(change)
        assert (error.code, error.reason, error.message) == (500, "", "duplicate nodePort: {TCP 30003}")
        assert await node_ports(stores) == {30001}
        made = await stores.change(kinds.SERVICE, "a", ports((80, 30003, "TCP"), (81, 30003, "UDP")))
        assert [port["nodePort"] for port in made["spec"]["ports"]] == [30003, 30003]
        assert await node_ports(stores) == {30003}

    with_stores(test)


def test_the_first_port_of_a_number_asks_for_all_and_others_may_ask_for_more() -> None:
    async def test(stores: Stores) -> None:
        made = await stores.create(
            kinds.SERVICE, wanted((53, 0, "TCP"), (53, 30001, "UDP"), (53, 30002, "SCTP"), (54, 0, "TCP"))
        )
        first, second, third, other = (port["nodePort"] for port in made["spec"]["ports"])
        assert (first, second, third) == (30001, 30001, 30002) and other not in (30001, 30002)
        some = wanted((80, 0, "TCP"), (80, 30003, "UDP"), name="some")
        some["spec"].update(type="LoadBalancer", allocateLoadBalancerNodePorts=False)
        made = await stores.create(kinds.SERVICE, some)
        assert [port.get("nodePort") for port in made["spec"]["ports"]] == [None, 30003]

    with_stores(test)


def test_a_health_check_port_is_nobody_elses() -> None:
    async def test(stores: Stores) -> None:
        await stores.create(kinds.SERVICE, wanted((80, 30001, "TCP")))

        def balanced(found: dict[str, Any]) -> None:
            found["spec"].update(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30001)

        error = await refused(stores.change(kinds.SERVICE, "b", balanced))
        assert error.message == (
            "Internal error occurred: failed to allocate requested HealthCheck NodePort 30001: provided port is "
            "already allocated"
        )
        assert await node_ports(stores) == {30001}

    with_stores(test)


def test_an_update_that_says_nothing_keeps_what_was_allocated() -> None:
    async def test(stores: Stores) -> None:
        made = await stores.create(kinds.SERVICE, service(type="NodePort"))

        def replace(found: dict[str, Any]) -> None:
            found["spec"] = service(type="NodePort", ports=[{"port": 81}])["spec"]

        again = await stores.change(kinds.SERVICE, "web", replace)
        assert again["spec"]["clusterIPs"] == made["spec"]["clusterIPs"]
        assert again["spec"]["ports"][0]["nodePort"] == made["spec"]["ports"][0]["nodePort"]
        assert again["spec"]["ports"][0]["targetPort"] == 81

    with_stores(test)


def test_a_load_balancer_with_local_traffic_has_a_health_check_port() -> None:
    async def test(stores: Stores) -> None:
        made = await stores.create(kinds.SERVICE, service(type="LoadBalancer", externalTrafficPolicy="Local"))
        spec = made["spec"]
        assert await node_ports(stores) == {spec["healthCheckNodePort"], spec["ports"][0]["nodePort"]}
        await stores.change(kinds.SERVICE, "web", lambda s: s["spec"].update(externalTrafficPolicy="Cluster"))
        assert await node_ports(stores) == {spec["ports"][0]["nodePort"]}

    with_stores(test)


def test_headless_and_dry_run_take_nothing() -> None:
    async def test(stores: Stores) -> None:
        made = await stores.create(kinds.SERVICE, service(clusterIP="None"))
        assert made["spec"]["clusterIPs"] == ["None"]
        made = await stores.create(kinds.SERVICE, service("dry", type="NodePort"), dry_run=True)
        assert made["spec"]["clusterIP"] and made["spec"]["ports"][0]["nodePort"]
        assert addresses(stores) == set() == await node_ports(stores)

    with_stores(test)


def test_dual_stack() -> None:
    async def test(stores: Stores) -> None:
        made = await stores.create(kinds.SERVICE, service(ipFamilyPolicy="PreferDualStack"))
        assert made["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
        assert len(addresses(stores)) == 2
        await stores.change(kinds.SERVICE, "web", lambda s: s["spec"].update(ipFamilyPolicy="SingleStack"))
        assert len(addresses(stores)) == 1

    with_stores(test, cidr="10.96.0.0/24,fd00:10:96::/112")


def test_dual_stack_must_be_offered() -> None:
    async def test(stores: Stores) -> None:
        error = await refused(stores.create(kinds.SERVICE, service(ipFamilyPolicy="RequireDualStack")))
        assert "this cluster is not configured for dual-stack services" in error.message
        made = await stores.create(kinds.SERVICE, service(ipFamilyPolicy="PreferDualStack"))
        assert made["spec"]["ipFamilies"] == ["IPv4"]

    with_stores(test)


def test_many_servers_never_give_the_same_twice() -> None:
    async def main() -> None:
        storage = MemoryStorage(SystemClock())
        async with opened(storage) as one, opened(storage) as two:
            made = await asyncio.gather(*(
                stores.create(kinds.SERVICE, service(f"s{i}-{j}", type="NodePort"))
                for i in range(16) for j, stores in enumerate((one, two))
            ))  # fmt: skip
            ips = {m["spec"]["clusterIP"] for m in made}
            ports = {m["spec"]["ports"][0]["nodePort"] for m in made}
            assert len(ips) == len(ports) == 32

    asyncio.run(main())


def test_a_moved_range_keeps_what_still_fits() -> None:
    bitmap = Bitmap(30000, 30010)
    for port in (30001, 30009):
        bitmap.add(port)
    assert Bitmap.read(bitmap.stored(), 30005, 30020).taken() == {30009}
    assert Bitmap.read(bitmap.stored(), 29990, 30005).taken() == {30001}


def test_repair_restores_and_frees() -> None:
    async def main() -> None:
        clock = VirtualClock()
        storage = MemoryStorage(clock)
        async with opened(storage, clock) as stores:
            strategy = stores.services
            made = await stores.create(kinds.SERVICE, service(type="NodePort"))
            ip, port = made["spec"]["clusterIP"], made["spec"]["ports"][0]["nodePort"]
            # A crash left an address and a port without a service; another lost those of one.
            await strategy.ips.take("IPv4", "10.96.0.8", "default", "never")
            await strategy.ports.take([30004])
            await strategy.ips.give_back(ip, "default", "web")
            await strategy.ports.give_back([port])
            repair = Repair(stores[kinds.SERVICE], strategy.ips, strategy.ports, clock)
            await repair.once()
            assert addresses(stores) == {ip, "10.96.0.8"}  # too young to be sure
            assert await strategy.ports.taken() == {port, 30004}
            await clock.advance(timedelta(minutes=3).total_seconds())
            for _ in range(2):
                await repair.once()
            assert addresses(stores) == {ip}
            assert await strategy.ports.taken() == {port}

    asyncio.run(main())


def test_an_address_left_by_a_crash_is_taken_up_again() -> None:
    async def test(stores: Stores) -> None:
        strategy = stores.services
        await strategy.ips.take("IPv4", "10.96.0.9", "default", "web")
        made = await stores.create(kinds.SERVICE, service(clusterIP="10.96.0.9"))
        assert made["spec"]["clusterIP"] == "10.96.0.9"

    with_stores(test)


def test_the_bitmap_survives_a_restart() -> None:
    async def main() -> None:
        storage = MemoryStorage(SystemClock())
        assert await NodePorts(30000, 30063, storage).take([30005]) == [30005]
        assert await NodePorts(30000, 30063, storage).taken() == {30005}
        assert (await storage.get(KEY)) is not None

    asyncio.run(main())


class Refusing(Admitted):
    """Judges what it is shown, and refuses it."""

    def __init__(self, code: int = 403) -> None:
        self.code, self.seen = code, list[Any]()

    async def validate(self, attributes: Attributes) -> None:
        self.seen.append(msgspec.json.decode(msgspec.json.encode(attributes.obj)))
        raise StatusError(self.code, "Forbidden", "no")


@pytest.mark.parametrize("code", [403, 500])
def test_who_judges_sees_what_was_given_and_a_refusal_gives_it_back(code: int) -> None:
    async def test(stores: Stores) -> None:
        judge = Refusing(code)
        error = await refused(stores.create(kinds.SERVICE, service(type="NodePort"), admission=judge))
        assert error.message == "no"
        spec = judge.seen[0]["spec"]
        assert spec["clusterIPs"] == [spec["clusterIP"]] and spec["ports"][0]["nodePort"] >= 30000
        assert addresses(stores) == set() == await node_ports(stores)
        again = service("other", type="NodePort", clusterIP=spec["clusterIP"], ports=spec["ports"])
        assert (await stores.create(kinds.SERVICE, again))["spec"]["clusterIP"] == spec["clusterIP"]

        def grow(found: dict[str, Any]) -> None:
            found["spec"]["ports"].append({"name": "more", "port": 81})
            found["spec"]["ports"][0]["name"] = "first"

        held = addresses(stores), await node_ports(stores)
        await refused(stores.change(kinds.SERVICE, "other", grow, admission=judge))
        assert judge.seen[1]["spec"]["ports"][1]["nodePort"] >= 30000
        assert (addresses(stores), await node_ports(stores)) == held

    with_stores(test)


def test_a_client_that_goes_while_its_service_is_judged_leaves_nothing() -> None:
    class Endless(Admitted):
        def __init__(self) -> None:
            self.asked = asyncio.Event()

        async def validate(self, attributes: Attributes) -> None:
            self.asked.set()
            await asyncio.Event().wait()

    async def test(stores: Stores) -> None:
        judge = Endless()
        made = asyncio.create_task(stores.create(kinds.SERVICE, service(type="NodePort"), admission=judge))
        await judge.asked.wait()
        assert addresses(stores) and await node_ports(stores)
        made.cancel()
        await asyncio.gather(made, return_exceptions=True)
        assert addresses(stores) == set() == await node_ports(stores)

    with_stores(test)


@pytest.mark.parametrize(
    "wrong",
    [{"clusterIP": "10.96.0"}, {"clusterIPs": ["x", "y"]}, {"sessionAffinity": "No"}, {"ports": [{"port": 0}]}],
    ids=str,
)
def test_what_is_invalid_is_given_nothing(wrong: dict[str, Any]) -> None:
    async def test(stores: Stores) -> None:
        assert (await refused(stores.create(kinds.SERVICE, service(type="NodePort", **wrong)))).code == 422
        assert addresses(stores) == set() == await node_ports(stores)

    with_stores(test)
