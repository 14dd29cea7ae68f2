"""The APIs of the network, without anybody who acts on them (sig-network)."""

from __future__ import annotations

from conformance.node.crud import WRITES, check_discovery, check_status, whole_life
from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

NETWORKING = "networking.k8s.io/v1"
BACKEND = {"service": {"name": "default-backend", "port": {"number": 80}}}


@inside
async def test_endpoint_slices(cluster: Cluster) -> None:
    """Conformance: EndpointSlice API"""
    await check_discovery(cluster, "discovery.k8s.io/v1", "endpointslices")

    def change(obj: Object) -> None:
        obj["endpoints"].append({"addresses": ["192.0.2.9"], "conditions": {"ready": False}})

    endpoints = [{"addresses": ["192.0.2.1"], "conditions": {}}, {"addresses": ["192.0.2.2"], "conditions": {}}]
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    await whole_life(cluster, "endpointslice", {"addressType": "IPv4", "endpoints": endpoints, "ports": ports}, change)


@inside
async def test_ingresses(cluster: Cluster) -> None:
    """Conformance: Ingress API"""
    await check_discovery(cluster, NETWORKING, "ingresses")
    await check_discovery(cluster, NETWORKING, "ingresses/status", WRITES)

    def change(obj: Object) -> None:
        path = {"path": "/more", "pathType": "Prefix", "backend": BACKEND}
        obj["spec"]["rules"] = [{"host": "foo.example.com", "http": {"paths": [path]}}]

    body = {"spec": {"ingressClassName": "nobody", "defaultBackend": BACKEND}}
    await whole_life(cluster, "ingress", body, change)
    ingresses = Verbs(cluster, "ingress")
    await ingresses.create("served", body)

    def address(ip: str) -> Object:
        return {"loadBalancer": {"ingress": [{"ip": ip}]}}

    await check_status(ingresses, "served", address("169.1.1.1"), address("169.1.1.2"))


@inside
async def test_ingress_classes(cluster: Cluster) -> None:
    """Conformance: IngressClass API"""
    await check_discovery(cluster, NETWORKING, "ingressclasses")

    def change(obj: Object) -> None:
        obj["spec"]["parameters"] = {"apiGroup": "example.com", "kind": "Settings", "name": "a", "scope": "Cluster"}

    await whole_life(cluster, "ingressclass", {"spec": {"controller": "example.com/controller"}}, change)


@inside
async def test_addresses(cluster: Cluster) -> None:
    """Conformance: IPAddress API"""
    await check_discovery(cluster, NETWORKING, "ipaddresses")

    def change(obj: Object) -> None:
        obj["metadata"]["labels"]["changed"] = "yes"

    parent = {"group": "example.com", "resource": "gateways", "namespace": "default", "name": "gateway"}
    called = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.3")
    await whole_life(cluster, "ipaddress", {"spec": {"parentRef": parent}}, change, called)
    await Verbs(cluster, "service").create("web", {"spec": {"ports": [{"port": 80}]}})
    ip = (await cluster.get("service/web"))["spec"]["clusterIP"]
    taken = (await Verbs(cluster, "ipaddress").read(ip))["spec"]["parentRef"]
    assert taken == {"resource": "services", "namespace": "default", "name": "web"}


@inside
async def test_ranges(cluster: Cluster) -> None:
    """Conformance: ServiceCIDR API"""
    await check_discovery(cluster, NETWORKING, "servicecidrs")
    await check_discovery(cluster, NETWORKING, "servicecidrs/status", WRITES)

    def change(obj: Object) -> None:
        obj["metadata"]["labels"]["changed"] = "yes"

    ranges = Verbs(cluster, "servicecidr")
    assert (await ranges.read("kubernetes"))["spec"]["cidrs"] == ["10.96.0.0/16"]
    body = {"spec": {"cidrs": ["192.0.2.0/24", "2001:db8::/112"]}}
    await whole_life(cluster, "servicecidr", body, change)
    await ranges.create("further", body)

    def condition(status: str) -> Object:
        when = "2030-01-02T03:04:05Z"
        told = {"type": "E2E", "status": status, "reason": "Test", "message": "", "lastTransitionTime": when}
        return {"conditions": [told]}

    await check_status(ranges, "further", condition("False"), condition("True"))
