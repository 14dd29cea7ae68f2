"""The APIs of the network, without anybody who acts on them (sig-network)."""

from __future__ import annotations

from conformance.node.crud import WRITES, Watched, check_discovery, check_status, whole_life
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
    ranges = Verbs(cluster, "servicecidr")
    own = await ranges.read("kubernetes")
    assert own["spec"]["cidrs"] == ["10.96.0.0/16"]
    shown = await ranges.read("kubernetes", "status")
    assert (shown["kind"], shown["metadata"]["uid"]) == ("ServiceCIDR", own["metadata"]["uid"])
    assert [each["metadata"]["name"] for each in await ranges.list()] == ["kubernetes"]

    watched = Watched(cluster, ranges, "mark=yes")
    body = {"spec": {"cidrs": ["192.0.2.0/24", "2001:db8::/112"]}}
    await ranges.create("first", body, labels={"mark": "yes"})
    assert (await watched.expect("ADDED", "first"))["spec"] == body["spec"]
    await ranges.create("second", body, labels={"mark": "yes"})
    conditions = (await ranges.read("first"))["status"]["conditions"]
    assert [(each["type"], each["status"]) for each in conditions] == [("Ready", "True")]
    patched = await ranges.patch("first", {"metadata": {"annotations": {"patched": "yes"}}})
    assert patched["metadata"]["annotations"] == {"patched": "yes"}

    def note(obj: Object) -> None:
        obj["metadata"]["annotations"]["updated"] = "yes"
        obj["status"] = {}

    updated = await ranges.update("first", note)
    assert updated["metadata"]["annotations"] == {"patched": "yes", "updated": "yes"}
    assert updated["status"]["conditions"] == conditions, "only the subresource writes it"
    told = {
        "type": "E2E", "status": "False", "reason": "Test", "message": "", "lastTransitionTime": "2030-01-02T03:04:05Z",
    }  # fmt: skip

    def tell(obj: Object) -> None:
        obj["status"]["conditions"].append(told)
        obj["spec"] = {}

    updated = await ranges.update("first", tell, "status")
    assert (updated["status"]["conditions"], updated["spec"]) == ([*conditions, told], body["spec"])
    by_type = {"status": {"conditions": [{**told, "status": "True"}]}}
    patched = await ranges.patch("first", by_type, style="strategic", subresource="status")
    assert patched["status"]["conditions"] == [*conditions, {**told, "status": "True"}]

    # Each covers the other's addresses; what is deleted stays until other API servers have heard of it.
    await ranges.delete("first")
    assert (await ranges.read("first"))["metadata"]["deletionTimestamp"]
    await cluster.clock.advance(10)
    assert await ranges.is_gone("first")
    await ranges.create("bystander", body)
    await ranges.delete_collection("mark=yes")
    await cluster.clock.advance(10)
    assert await ranges.are_left("bystander", "kubernetes")
    await watched.close()
