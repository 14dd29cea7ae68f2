"""Addresses for Services of type LoadBalancer: each its own, kept, given back, refused in upstream's words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster
from suites.objects import service


def balanced(name: str, **spec: Any) -> Object:
    return service(name, **{"type": "LoadBalancer", **spec})


async def shown(cluster: Cluster, name: str) -> list[str]:
    await cluster.settle()
    status = (await cluster.get(f"service/{name}"))["status"]["loadBalancer"]
    assert all(each["ipMode"] == "VIP" for each in status.get("ingress") or ())
    return [each["ip"] for each in status.get("ingress") or ()]


async def test_each_gets_one_of_the_pool_and_keeps_it(cluster: Cluster) -> None:
    await cluster.apply(balanced("a"), balanced("b"), balanced("c", loadBalancerIP="192.0.2.5"))
    await cluster.apply(balanced("d", loadBalancerClass="example.com/other"), balanced("e", type="NodePort"))
    found = [await shown(cluster, name) for name in "abcde"]
    assert found[2:] == [["192.0.2.5"], [], []]
    assert len({*found[0], *found[1], *found[2]}) == 3
    await cluster.patch("service/a", {"metadata": {"labels": {"a": "b"}}})
    assert await shown(cluster, "a") == found[0]
    await cluster.patch("service/a", {"spec": {"type": "ClusterIP"}})
    assert await shown(cluster, "a") == []
    await cluster.delete("service/b")
    await cluster.apply(balanced("f"), balanced("g"))
    assert {*await shown(cluster, "f"), *await shown(cluster, "g")} == {*found[0], *found[1]}


async def test_what_is_not_free_is_said_and_tried_again(cluster: Cluster) -> None:
    await cluster.apply(balanced("a", loadBalancerIP="192.0.2.1"), balanced("b", loadBalancerIP="192.0.2.1"))
    await cluster.apply(balanced("c", loadBalancerIP="198.51.100.1"))
    assert [await shown(cluster, name) for name in "abc"] == [["192.0.2.1"], [], []]
    told = {e["message"] for e in await cluster.list("events") if e["reason"] == "SyncLoadBalancerFailed"}
    failed = "Error syncing load balancer: failed to ensure load balancer: "
    assert told == {f"{failed}192.0.2.1 is in use", f"{failed}198.51.100.1 is not in 192.0.2.0/29"}
    await cluster.delete("service/a")
    await cluster.clock.advance(31)
    assert await shown(cluster, "b") == ["192.0.2.1"]


async def test_a_pool_that_is_used_up(cluster: Cluster) -> None:
    await cluster.apply(*(balanced(f"s{number}") for number in range(8)))
    found = [await shown(cluster, f"s{number}") for number in range(8)]
    assert sum(len(each) for each in found) == 7, "the last address of the range is for broadcasts"
    told = [e["message"] for e in await cluster.list("events") if e["reason"] == "SyncLoadBalancerFailed"]
    assert told[0].endswith("no address of 192.0.2.0/29 is free")


async def test_a_local_policy_has_a_port_for_health_checks(cluster: Cluster) -> None:
    async def port(name: str) -> int:
        found: int = (await cluster.get(f"service/{name}"))["spec"].get("healthCheckNodePort", 0)
        return found

    await cluster.apply(balanced("a", externalTrafficPolicy="Local"), balanced("b"))
    mine = await port("a")
    assert 30000 <= mine <= 32767 and await port("b") == 0
    with pytest.raises(StatusError, match="provided port is already allocated") as taken:
        await cluster.apply(balanced("c", externalTrafficPolicy="Local", healthCheckNodePort=mine))
    assert taken.value.code == 500
    with pytest.raises(StatusError, match=r"spec\.healthCheckNodePort: Forbidden: field is immutable"):
        await cluster.patch("service/a", {"spec": {"healthCheckNodePort": mine % 2767 + 30000}})
    with pytest.raises(StatusError, match="may only be set when `type` is 'LoadBalancer'"):
        await cluster.patch("service/b", {"spec": {"healthCheckNodePort": 30999}})
    await cluster.patch("service/a", {"metadata": {"labels": {"a": "b"}}})
    assert await port("a") == mine
    await cluster.patch("service/a", {"spec": {"externalTrafficPolicy": "Cluster"}})
    assert await port("a") == 0
    await cluster.patch("service/b", {"spec": {"externalTrafficPolicy": "Local", "healthCheckNodePort": mine}})
    assert await port("b") == mine, "it has been given back"


def test_without_a_pool_and_nodes_the_reason_is_told() -> None:
    async def scene() -> None:
        async with Cluster(load_balancer_pool="") as cluster:
            await cluster.apply(balanced("a"))
            assert await shown(cluster, "a") == []
            told = {(e["type"], e["reason"], e["message"]) for e in await cluster.list("events")}
            assert ("Warning", "UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer") in told
            # Simulated nodes are at loopback: that is shown as long as there are no others.
            await ready(cluster, "simulated-1", "127.0.0.1")
            assert await shown(cluster, "a") == ["127.0.0.1"]
            await ready(cluster, "real", "203.0.113.7")
            assert await shown(cluster, "a") == ["203.0.113.7"]

    asyncio.run(scene())


async def ready(cluster: Cluster, name: str, address: str) -> None:
    await cluster.apply({"kind": "Node", "apiVersion": "v1", "metadata": {"name": name}})
    status = {
        "addresses": [{"type": "InternalIP", "address": address}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    await cluster.patch(f"node/{name}", {"status": status}, subresource="status")
