"""Services as objects of the API (sig-network)."""

from __future__ import annotations

from conformance.node.crud import Watched, names
from conformance.stage import inside
from conformance.verbs import Verbs, labels_of
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster


def balanced(ip: str) -> Object:
    return {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"}]}}


@inside
async def test_status(cluster: Cluster) -> None:
    """Conformance: Service, complete ServiceStatus lifecycle"""
    services = Verbs(cluster, "service")
    watched = Watched(cluster, services, "test-service-static=true")
    spec = {
        "type": "LoadBalancer",
        "loadBalancerClass": "example.com/internal-vip",
        "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}],
    }
    await services.create("test", {"spec": spec}, labels={"test-service-static": "true"})
    await watched.expect("ADDED", "test")
    assert names(await services.list("test-service-static=true", everywhere=True)) == ["test"]

    found = await services.read("test", "status")
    assert (found["kind"], found["status"]) == ("Service", {"loadBalancer": {}})
    before = found["spec"]

    note = {"metadata": {"annotations": {"patchedstatus": "true"}}, "spec": {"selector": {"not": "this way"}}}
    patched = await services.patch("test", {**note, "status": balanced("203.0.113.1")}, subresource="status")
    assert patched["status"] == balanced("203.0.113.1") and patched["spec"] == before
    seen = await watched.expect("MODIFIED", "test")
    assert seen["metadata"]["annotations"] == {"patchedstatus": "true"} and seen["status"] == patched["status"]

    condition = {
        "type": "StatusUpdate",
        "status": "True",
        "reason": "E2E",
        "message": "Set from e2e test",
        "lastTransitionTime": "2030-01-02T03:04:05Z",
    }

    def tell(obj: Object) -> None:
        obj["status"]["conditions"] = [condition]

    updated = await services.update("test", tell, "status")
    assert updated["status"] == {**balanced("203.0.113.1"), "conditions": [condition]}
    assert (await watched.expect("MODIFIED", "test"))["status"] == updated["status"]
    assert (await services.read("test"))["status"] == updated["status"]

    await services.label("test", **{"test-service": "patched"})
    seen = await watched.expect("MODIFIED", "test")
    assert labels_of(seen) == {"test-service-static": "true", "test-service": "patched"}
    assert seen["status"] == updated["status"]

    await services.delete("test")
    while (kind := (await watched.next())[0]) != "DELETED":
        assert kind == "MODIFIED", "finalizers go first"
    await watched.close()


@inside
async def test_collection(cluster: Cluster) -> None:
    """Conformance: Service, deletes a collection of services"""
    services = Verbs(cluster, "service", "space")
    await cluster.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "space"}})
    for number, name in enumerate(("one", "two", "three")):
        labels = {"e2e_testname": "collection"} if number else {}
        body = {"spec": {"ports": [{"name": "http", "port": 80 + number, "targetPort": 8080}]}}
        await services.create(name, body, labels=labels)
    assert names(await services.list()) == ["one", "three", "two"]
    await services.delete_collection("e2e_testname=collection")
    assert names(await services.list()) == ["one"]
    assert (await services.read("one"))["spec"]["ports"][0]["port"] == 80


@inside
async def test_the_kubernetes_service_is_listed(cluster: Cluster) -> None:
    """Conformance: Find Kubernetes Service in default Namespace"""
    found = await Verbs(cluster, "service").list(everywhere=True)
    assert ("default", "kubernetes") in {(s["metadata"]["namespace"], s["metadata"]["name"]) for s in found}
