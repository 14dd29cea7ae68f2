"""Upstream's integration cases of ServiceCIDRs (test/integration/servicecidr), in a whole control plane."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
OWN = "servicecidr/kubernetes"


def play(test: Callable[[Cluster], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with Cluster(**options) as cluster:
            await cluster.settle()
            await test(cluster)

    asyncio.run(main())


async def service(cluster: Cluster, name: str, **spec: Any) -> Object:
    body = {"kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}
    await cluster.apply(body)
    return (await cluster.get(f"service/{name}"))["spec"]


async def new_range(cluster: Cluster, name: str, *cidrs: str) -> None:
    await cluster.apply({"kind": "ServiceCIDR", "metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}})
    await cluster.settle()
    assert (await ready(cluster, name))["status"] == "True"


async def ready(cluster: Cluster, name: str) -> Object:
    found = await cluster.get(f"servicecidr/{name}")
    (told,) = (each for each in found["status"]["conditions"] if each["type"] == "Ready")
    return told


async def gone(cluster: Cluster, name: str) -> bool:
    """After its time of grace."""
    await cluster.clock.advance(10)
    return not await cluster.exists(f"servicecidr/{name}")


def inside(address: str, cidr: str) -> bool:
    return ip_address(address) in ip_network(cidr)


def test_new_ranges_give_addresses() -> None:
    """TestServiceAllocNewServiceCIDR, TestServiceAlloc"""

    async def test(cluster: Cluster) -> None:
        for number in range(4):  # six addresses: two are the API server's own and none is DNS's, in so small a range
            await service(cluster, f"s{number}")
        await service(cluster, "s4")
        with pytest.raises(StatusError, match="range is full"):
            await service(cluster, "fail")
        with pytest.raises(StatusError, match="the provided network does not match the current range"):
            await service(cluster, "fail", clusterIP="10.168.0.7")
        await new_range(cluster, "test2", "10.168.0.0/24")
        for number in range(10, 60):
            assert inside((await service(cluster, f"s{number}"))["clusterIP"], "10.168.0.0/24")
        assert (await service(cluster, "named", clusterIP="10.168.0.7"))["clusterIP"] == "10.168.0.7"
        await cluster.delete("service/s1")
        assert inside((await service(cluster, "again"))["clusterIP"], "192.168.0.0/29")
        taken = await cluster.get("ipaddress/10.168.0.7")
        assert taken["metadata"]["labels"] == {
            "ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
        }  # fmt: skip
        assert taken["spec"]["parentRef"] == {"resource": "services", "namespace": "default", "name": "named"}

    play(test, service_cidr="192.168.0.0/29")


def test_a_range_stays_while_addresses_of_it_would_be_in_none() -> None:
    """TestServiceCIDRDeletion"""

    async def test(cluster: Cluster) -> None:
        for number in range(5):
            await service(cluster, f"s{number}")
        await new_range(cluster, "cidr1", "192.168.0.0/29")  # the default's too
        await cluster.delete("servicecidr/cidr1")
        await cluster.settle()
        await cluster.clock.advance(9)
        assert await cluster.exists("servicecidr/cidr1"), "other API servers may not have heard of it"
        assert await gone(cluster, "cidr1")
        await new_range(cluster, "cidr2", "10.0.0.0/24")
        assert inside((await service(cluster, "new"))["clusterIP"], "10.0.0.0/24")
        await new_range(cluster, "cidr3", "10.0.0.0/16")
        await cluster.delete("servicecidr/cidr2")
        assert await gone(cluster, "cidr2")
        await cluster.delete("servicecidr/cidr3")
        await cluster.settle()
        told = await ready(cluster, "cidr3")
        assert (told["status"], told["reason"]) == ("False", "Terminating")
        assert told["message"] == (
            "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
        )
        with pytest.raises(StatusError, match="range is full"):
            await service(cluster, "none")
        assert not await gone(cluster, "cidr3")
        await cluster.delete("service/new")
        await cluster.settle()
        assert not await cluster.exists("servicecidr/cidr3")

    play(test, service_cidr="192.168.0.0/29")


def test_a_range_that_goes_is_let_go_by_a_wider_one() -> None:
    async def test(cluster: Cluster) -> None:
        await new_range(cluster, "narrow", "10.0.0.0/24")
        await service(cluster, "s", clusterIP="10.0.0.9")
        foreign = {"group": "g", "resource": "gateways", "name": "a"}
        await cluster.apply({"kind": "IPAddress", "metadata": {"name": "10.1.0.1"}, "spec": {"parentRef": foreign}})
        await new_range(cluster, "other", "10.1.0.0/24")
        await cluster.delete("servicecidr/other")
        assert await gone(cluster, "other"), "an address that no API server gave holds nothing"
        await cluster.delete("servicecidr/narrow")
        assert not await gone(cluster, "narrow")
        await new_range(cluster, "wide", "10.0.0.0/8")
        assert not await cluster.exists("servicecidr/narrow")

    play(test)


def test_a_cluster_moves_to_another_range() -> None:
    """TestMigrateServiceCIDR, but for the second API server: the default range is deleted, Services are made again."""

    async def test(cluster: Cluster) -> None:
        assert (await cluster.get(OWN))["metadata"]["finalizers"] == [FINALIZER]
        assert (await ready(cluster, "kubernetes"))["status"] == "True"
        await service(cluster, "s0")
        await new_range(cluster, "migration", "10.168.0.0/24")
        await cluster.delete(OWN)
        await cluster.settle()
        assert (await ready(cluster, "kubernetes"))["status"] == "False"
        await cluster.delete("service/s0")
        assert inside((await service(cluster, "s0"))["clusterIP"], "10.168.0.0/24")
        assert not await gone(cluster, "kubernetes"), "the API server's own Service is in it"

    play(test, service_cidr="192.168.0.0/29")


def test_what_is_the_api_servers_own_comes_again() -> None:
    async def test(cluster: Cluster) -> None:
        before = await cluster.get("service/kubernetes")
        await cluster.delete("service/kubernetes")
        await cluster.settle()
        after = await cluster.get("service/kubernetes")
        assert after["spec"]["clusterIP"] == before["spec"]["clusterIP"] == "10.96.0.1"
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
        uid = (await cluster.get(OWN))["metadata"]["uid"]
        await new_range(cluster, "wide", "10.0.0.0/8")
        await cluster.delete(OWN)
        await cluster.clock.advance(10)
        await cluster.settle()
        again = await cluster.get(OWN)
        assert (again["metadata"]["uid"] != uid, again["spec"]["cidrs"]) == (True, ["10.96.0.0/16"])
        assert (await ready(cluster, "kubernetes"))["status"] == "True"

    play(test)


@pytest.mark.parametrize(("first", "second"), [("10.96.0.0/24", "2001:db8::/112"), ("2001:db8::/112", "10.96.0.0/24")])
def test_ranges_of_both_families(first: str, second: str) -> None:
    async def test(cluster: Cluster) -> None:
        assert (await cluster.get(OWN))["spec"]["cidrs"] == [first, second]
        await new_range(cluster, "more", "203.0.113.0/24", "2001:db8:1::/64")
        named = ["203.0.113.9", "2001:db8:1::9"]
        if ":" in first:
            named.reverse()
        both = await service(cluster, "both", ipFamilyPolicy="RequireDualStack", clusterIPs=named, clusterIP=named[0])
        assert both["clusterIPs"] == named
        await cluster.delete("servicecidr/more")
        assert not await gone(cluster, "more")
        await cluster.delete("service/both")
        await cluster.settle()
        assert not await cluster.exists("servicecidr/more")

    play(test, service_cidr=f"{first},{second}")


def test_the_last_address_of_a_large_range() -> None:
    """TestServiceAllocIPAddress"""

    async def test(cluster: Cluster) -> None:
        last = "2001:db8::ffff:ffff:ffff:ffff"
        found = await service(cluster, "last", clusterIP=last)
        assert (found["clusterIP"], await cluster.exists(f"ipaddress/{last}")) == (last, True)
        address = (await service(cluster, "any"))["clusterIP"]
        assert await cluster.exists(f"ipaddress/{address}")

    play(test, service_cidr="2001:db8::/64")
