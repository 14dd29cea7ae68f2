"""Endpoints kept by hand are seen by those who only read EndpointSlices."""

from __future__ import annotations

from typing import Any

from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

MANAGER = "endpointslicemirroring-controller.k8s.io"


def service(**spec: Any) -> Object:
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "outside"},
        "spec": {"ports": [{"name": "http", "port": 80}], **spec},
    }


def endpoints(*ips: str, port: int = 80, **meta: Any) -> Object:
    subset = {"addresses": [{"ip": ip} for ip in ips], "ports": [{"name": "http", "port": port}]}
    return {
        "kind": "Endpoints",
        "apiVersion": "v1",
        "metadata": {"name": "outside", **meta},
        "subsets": [subset] if ips else [],
    }


async def slices(cluster: Cluster) -> list[Object]:
    await cluster.settle()
    return await cluster.list("endpointslices", labels="kubernetes.io/service-name=outside")


async def test_created_changed_and_deleted(cluster: Cluster) -> None:
    await cluster.apply(service())
    await cluster.apply(endpoints("10.1.2.3", annotations={"note": "x"}, labels={"team": "a"}))
    (found,) = await slices(cluster)
    owner = (await cluster.get("endpoints/outside"))["metadata"]
    assert found["metadata"]["generateName"] == "outside-"
    assert found["metadata"]["labels"] == {
        "team": "a",
        "kubernetes.io/service-name": "outside",
        "endpointslice.kubernetes.io/managed-by": MANAGER,
    }
    assert found["metadata"]["annotations"] == {"note": "x"}
    (reference,) = found["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["uid"], reference["controller"]) == ("Endpoints", owner["uid"], True)
    assert found["addressType"] == "IPv4"
    assert found["endpoints"] == [{"addresses": ["10.1.2.3"], "conditions": {"ready": True}}]
    assert found["ports"] == [{"name": "http", "port": 80, "protocol": "TCP"}]

    await cluster.apply(endpoints("10.2.3.4", port=9090))
    (changed,) = await slices(cluster)
    assert changed["metadata"]["uid"] == found["metadata"]["uid"]
    assert changed["endpoints"][0]["addresses"] == ["10.2.3.4"] and changed["ports"][0]["port"] == 9090
    assert "annotations" not in changed["metadata"] and "team" not in changed["metadata"]["labels"]

    await cluster.delete("endpoints/outside")
    assert await slices(cluster) == []


async def test_nothing_is_written_while_nothing_changes(cluster: Cluster) -> None:
    await cluster.apply(service())
    await cluster.apply(endpoints("10.1.2.3", "2001:db8::1"))
    before = await slices(cluster)
    assert sorted(each["addressType"] for each in before) == ["IPv4", "IPv6"]
    last = {"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z"}
    await cluster.apply(endpoints("10.1.2.3", "2001:db8::1", annotations=last))
    assert await slices(cluster) == before


async def test_only_without_a_selector_and_only_with_a_service(cluster: Cluster) -> None:
    await cluster.apply(endpoints("10.1.2.3"))
    assert await slices(cluster) == []
    await cluster.apply(service())
    assert len(await slices(cluster)) == 1
    await cluster.patch("service/outside", {"spec": {"selector": {"app": "inside"}}})
    assert [each["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] for each in await slices(cluster)] == [
        "endpointslice-controller.k8s.io"
    ]


async def test_it_can_be_switched_off(cluster: Cluster) -> None:
    await cluster.apply(service())
    await cluster.apply(endpoints("10.1.2.3"))
    assert len(await slices(cluster)) == 1
    await cluster.apply(endpoints("10.1.2.3", labels={"endpointslice.kubernetes.io/skip-mirror": "true"}))
    assert await slices(cluster) == []
    await cluster.apply(endpoints("10.1.2.3"))
    assert len(await slices(cluster)) == 1
    await cluster.delete("service/outside")
    assert await slices(cluster) == []


async def test_what_is_left_out_is_told(cluster: Cluster) -> None:
    await cluster.apply(service())
    await cluster.apply(endpoints(*(f"10.1.{n // 250}.{n % 250}" for n in range(1003))))
    (found,) = await slices(cluster)
    assert len(found["endpoints"]) == 1000
    told = [
        (e["type"], e["message"]) for e in await cluster.list("events") if e["reason"] == "TooManyAddressesToMirror"
    ]
    most = "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. 3 addresses were skipped"
    assert told == [("Warning", most)]
