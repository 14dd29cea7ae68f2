"""Endpoints and EndpointSlices: who stands behind a Service (sig-network)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from conformance.apps.scenes import delete_pod
from conformance.node.crud import Watched, check_discovery, names
from conformance.stage import inside, on_nodes
from conformance.verbs import Verbs, labels_of
from integration.workloads import until_quiet
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

MANAGED = "endpointslice.kubernetes.io/managed-by"
Found = set[tuple[str, int]]  # names of pods, and ports on them


def service(port: Object, **selector: str) -> Object:
    return {"spec": {"selector": selector, "publishNotReadyAddresses": True, "ports": [{"port": 80, **port}]}}


def pod(**ports: int) -> Object:
    listed = [{"name": name.replace("_", "-"), "containerPort": number} for name, number in ports.items()]
    return {"spec": {"containers": [{"name": "c", "image": "web:1", "ports": listed}]}}


async def slices(cluster: Cluster, of: str) -> list[Object]:
    await cluster.settle()
    return await cluster.list("endpointslices", labels=f"kubernetes.io/service-name={of}")


async def in_slices(cluster: Cluster, of: str) -> Found:
    found: Found = set()
    for piece in await slices(cluster, of):
        assert piece["addressType"] == "IPv4" and labels_of(piece)[MANAGED] == "endpointslice-controller.k8s.io"
        for endpoint in piece.get("endpoints") or ():
            target = endpoint["targetRef"]
            await is_pod(cluster, target, endpoint["addresses"][0])
            assert endpoint["nodeName"] == "n0"
            found |= {(target["name"], port["port"]) for port in piece["ports"]}
    return found


async def in_endpoints(cluster: Cluster, of: str) -> Found:
    await cluster.settle()
    found: Found = set()
    for subset in (await cluster.get(f"endpoints/{of}")).get("subsets", ()):
        for address in (*subset.get("addresses", ()), *subset.get("notReadyAddresses", ())):
            await is_pod(cluster, address["targetRef"], address["ip"])
            found |= {(address["targetRef"]["name"], port["port"]) for port in subset["ports"]}
    return found


async def is_pod(cluster: Cluster, target: Object, ip: str) -> None:
    there = await cluster.get(f"pod/{target['name']}")
    assert (target["kind"], target["namespace"], target["uid"]) == ("Pod", "default", there["metadata"]["uid"])
    assert ip == there["status"]["podIP"]


async def two_pods_and_three_services(cluster: Cluster) -> None:
    """A Service for the first pod, by number; one for both, by a name that means another port on each; one for none."""
    pods, services = Verbs(cluster, "pod"), Verbs(cluster, "service")
    await pods.create("pod1", pod(example_name=3000), labels={"pod1": "on", "shared": "on"})
    await pods.create("pod2", pod(other_port=3002, example_name=3001), labels={"pod2": "on", "shared": "on"})
    await services.create("by-number", service({"name": "example", "targetPort": 3000}, pod1="on"))
    await services.create("by-name", service({"name": "http", "targetPort": "example-name"}, shared="on"))
    await services.create("nobody", service({"name": "none", "targetPort": 8080}, pod3="on"))
    await until_quiet(cluster)


async def one_comes_and_goes(cluster: Cluster, found: Callable[[Cluster, str], Awaitable[Found]]) -> None:
    """A pod with the same ports as one that stays, in the same slice or subset therefore."""
    await Verbs(cluster, "pod").create("pod4", pod(example_name=3000), labels={"shared": "on"})
    await until_quiet(cluster)
    assert await found(cluster, "by-name") == {("pod1", 3000), ("pod4", 3000)}
    await delete_pod(cluster, "pod4")
    assert await found(cluster, "by-name") == {("pod1", 3000)}


@on_nodes()
async def test_endpoint_slices_for_pods(cluster: Cluster) -> None:
    """As the entry "EndpointSlice, creation/deletion"; a node is played."""
    await two_pods_and_three_services(cluster)
    both = {("pod1", 3000), ("pod2", 3001)}
    assert await in_slices(cluster, "by-number") == {("pod1", 3000)} == await in_endpoints(cluster, "by-number")
    assert await in_slices(cluster, "by-name") == both == await in_endpoints(cluster, "by-name")
    assert len(await slices(cluster, "by-number")) == 1
    assert len(await slices(cluster, "by-name")) == 2, "one for each set of ports"
    (empty,) = await slices(cluster, "nobody")
    assert not empty.get("endpoints") and not empty.get("ports")
    assert [port["name"] for piece in await slices(cluster, "by-name") for port in piece["ports"]] == ["http", "http"]

    await Verbs(cluster, "endpointslice").delete_collection("kubernetes.io/service-name=by-name")
    assert await in_slices(cluster, "by-name") == both, "made anew"
    await delete_pod(cluster, "pod2")
    assert await in_slices(cluster, "by-name") == {("pod1", 3000)}
    await one_comes_and_goes(cluster, in_slices)
    assert len(await slices(cluster, "by-name")) == 1
    for name in ("by-number", "by-name", "nobody"):
        await Verbs(cluster, "service").delete(name)
        assert await slices(cluster, name) == []


@on_nodes()
async def test_endpoints_for_pods(cluster: Cluster) -> None:
    """As the entry "Endpoints, creation/deletion"; a node is played."""
    await two_pods_and_three_services(cluster)
    assert await in_endpoints(cluster, "by-number") == {("pod1", 3000)}
    assert await in_endpoints(cluster, "by-name") == {("pod1", 3000), ("pod2", 3001)}
    assert len((await cluster.get("endpoints/by-name"))["subsets"]) == 2, "one for each set of ports"
    assert await in_endpoints(cluster, "nobody") == set()
    (port,) = (await cluster.get("endpoints/by-number"))["subsets"][0]["ports"]
    assert port == {"name": "example", "port": 3000, "protocol": "TCP"}
    await delete_pod(cluster, "pod2")
    assert await in_endpoints(cluster, "by-name") == {("pod1", 3000)}
    await one_comes_and_goes(cluster, in_endpoints)


@inside
async def test_empty_endpoint_slices(cluster: Cluster) -> None:
    """Conformance: EndpointSlice, "empty" Service"""
    await Verbs(cluster, "service").create("empty", service({"name": "example"}, matches="nothing"))
    (piece,) = await slices(cluster, "empty")
    assert labels_of(piece)[MANAGED] == "endpointslice-controller.k8s.io" and not piece.get("endpoints")
    await cluster.delete("service/empty")
    assert await slices(cluster, "empty") == []


@inside
async def test_empty_endpoints(cluster: Cluster) -> None:
    """Conformance: Endpoints, "empty" Service"""
    await Verbs(cluster, "service").create("empty", service({"name": "example"}, matches="nothing"))
    assert not (await cluster.get("endpoints/empty")).get("subsets")
    await cluster.delete("service/empty")
    await cluster.settle()
    assert not await cluster.exists("endpoints/empty")


@inside
async def test_mirroring(cluster: Cluster) -> None:
    """Conformance: EndpointSlice Mirroring"""
    await check_discovery(cluster, "discovery.k8s.io/v1", "endpointslices")
    endpoints = Verbs(cluster, "endpoints")
    await Verbs(cluster, "service").create("custom", {"spec": {"ports": [{"name": "example", "port": 80}]}})

    async def mirrored() -> list[tuple[list[str], int]]:
        """Addresses and port of each slice."""
        found = []
        for piece in await slices(cluster, "custom"):
            assert labels_of(piece)[MANAGED] == "endpointslicemirroring-controller.k8s.io"
            ((port,), (endpoint,)) = piece["ports"], piece["endpoints"]
            found.append((endpoint["addresses"], port["port"]))
        return found

    await endpoints.create("custom", {"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}]})
    assert await mirrored() == [(["10.1.2.3"], 80)]

    def move(obj: Object) -> None:
        obj["subsets"][0] = {"addresses": [{"ip": "10.2.3.4"}], "ports": [{"port": 81}]}

    await endpoints.update("custom", move)
    assert await mirrored() == [(["10.2.3.4"], 81)]
    await endpoints.delete("custom")
    assert await mirrored() == []


@inside
async def test_lifecycle(cluster: Cluster) -> None:
    """Conformance: Endpoint resource lifecycle"""
    endpoints = Verbs(cluster, "endpoints")
    watched = Watched(cluster, endpoints, "test-endpoint-static=true")

    def subset(ip: str, port: int) -> list[Any]:
        ports = [{"name": "http", "port": port, "protocol": "TCP"}]
        return [{"addresses": [{"ip": ip}], "ports": ports}]

    body = {"subsets": subset("10.0.0.24", 80)}
    await endpoints.create("bystander", body)
    await endpoints.create("test", body, labels={"test-endpoint-static": "true"})
    await watched.expect("ADDED", "test")
    assert names(await endpoints.list("test-endpoint-static=true", everywhere=True)) == ["test"]

    await endpoints.relabel("test", changed="yes")
    await watched.expect("MODIFIED", "test")
    found = await endpoints.read("test")
    assert (
        labels_of(found) == {"test-endpoint-static": "true", "changed": "yes"} and found["subsets"] == body["subsets"]
    )

    change = {"metadata": {"labels": {"patched": "yes"}}, "subsets": subset("10.0.0.25", 8080)}
    await endpoints.patch("test", change, style="strategic")
    await watched.expect("MODIFIED", "test")
    found = await endpoints.read("test")
    assert labels_of(found)["patched"] == "yes" and found["subsets"] == subset("10.0.0.25", 8080)

    await endpoints.delete_collection("test-endpoint-static=true")
    await watched.expect("DELETED", "test")
    await watched.close()
    assert await endpoints.is_gone("test")
    assert not await endpoints.is_gone("bystander")
