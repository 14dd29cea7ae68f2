"""ResourceQuota (sig-api-machinery)."""

from __future__ import annotations

import pytest

from conformance.stage import inside
from conformance.verbs import Verbs, labels_of
from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

DONGLE = "requests.example.com/dongle"
HARD = {
    "pods": "5", "services": "10", "services.nodeports": "1", "services.loadbalancers": "1", "configmaps": "10",
    "secrets": "10", "resourcequotas": "1", "replicationcontrollers": "10", "persistentvolumeclaims": "10",
    "count/replicasets.apps": "5", "cpu": "1", "memory": "500Mi", "ephemeral-storage": "50Gi",
    "requests.storage": "10Gi", DONGLE: "3", "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "10",
    "gold.storageclass.storage.k8s.io/requests.storage": "10Gi",
}  # fmt: skip
BEFORE = {"resourcequotas": "1", "configmaps": "1", "services": "1"}  # itself, and what a namespace begins with


async def make_quota(cluster: Cluster, name: str = "test", **spec: object) -> Object:
    """Its status says what is allowed. Returns what is used of it by itself and by what was there before."""
    made = await Verbs(cluster, "resourcequota").create(name, {"spec": {"hard": HARD, **spec}})
    assert (await cluster.get(f"resourcequota/{name}"))["status"]["hard"] == made["spec"]["hard"]
    before = await used(cluster, name)
    assert spec or before == BEFORE
    return before


async def used(cluster: Cluster, name: str = "test") -> Object:
    """What is used of it, but for what is not."""
    status = (await cluster.get(f"resourcequota/{name}"))["status"]
    assert status["used"].keys() == status["hard"].keys()
    return {resource: amount for resource, amount in status["used"].items() if amount != "0"}


def pod(requests: dict[str, str] | None = None, limits: dict[str, str] | None = None, **spec: object) -> Object:
    resources = {"requests": requests or {}, "limits": limits or {}}
    return {"spec": {"containers": [{"name": "c", "image": "web:1", "resources": resources}], **spec}}


async def refusal(verbs: Verbs, name: str, body: Object) -> str:
    with pytest.raises(StatusError) as refused:
        await verbs.create(name, body)
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    return refused.value.message


async def remove(verbs: Verbs, name: str) -> None:
    await verbs.cluster.client.delete(verbs.kind, Key("default", name), grace=0)
    await verbs.cluster.settle()


@inside
async def test_promptly(cluster: Cluster) -> None:
    """Conformance: ResourceQuota, object count quota, resourcequotas"""
    assert await make_quota(cluster) == BEFORE


@inside
async def test_services(cluster: Cluster) -> None:
    """Conformance: ResourceQuota, object count quota, service"""
    services = Verbs(cluster, "service")
    before = await make_quota(cluster)
    ports = [{"name": "http", "port": 80}]
    await services.create("plain", {"spec": {"ports": ports}})
    await services.create("node", {"spec": {"type": "NodePort", "ports": ports}})
    balancer = {"type": "LoadBalancer", "ports": ports}
    assert "services.nodeports=1" in await refusal(services, "balancer", {"spec": balancer}), "it needs a node port too"
    await services.create("balancer", {"spec": {**balancer, "allocateLoadBalancerNodePorts": False}})
    now = await used(cluster)
    counted = (now["services"], now["services.nodeports"], now["services.loadbalancers"], now["resourcequotas"])
    assert counted == ("4", "1", "1", "1")
    for name in ("plain", "node", "balancer"):
        await services.delete(name)
    await cluster.settle()
    assert await used(cluster) == before


@inside
async def test_secrets(cluster: Cluster) -> None:
    """Conformance: ResourceQuota, object count quota, secret"""
    secrets = Verbs(cluster, "secret")
    before = await make_quota(cluster)
    await secrets.create("one", {"stringData": {"a": "b"}})
    assert await used(cluster) == {**before, "secrets": "1"}
    assert before["resourcequotas"] == "1"
    await secrets.delete("one")
    assert await used(cluster) == before


@inside
async def test_config_maps(cluster: Cluster) -> None:
    """Conformance: ResourceQuota, object count quota, configmap"""
    maps = Verbs(cluster, "configmap")
    before = await make_quota(cluster)
    await maps.create("one", {"data": {"a": "b"}})
    assert await used(cluster) == {**before, "configmaps": "2"}
    await maps.delete("one")
    assert await used(cluster) == before


@inside
async def test_pods(cluster: Cluster) -> None:
    """Conformance: ResourceQuota, object count quota, pod"""
    pods = Verbs(cluster, "pod")
    before = await make_quota(cluster)
    requests = {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", "example.com/dongle": "2"}
    limits = {"example.com/dongle": "2"}
    await pods.create("first", pod(requests, limits))
    taken = {"pods": "1", "cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", DONGLE: "2"}
    assert await used(cluster) == before | taken

    why = await refusal(pods, "greedy", pod({"cpu": "600m", "memory": "100Mi"}))
    assert (
        why == 'pods "greedy" is forbidden: exceeded quota: test, requested: cpu=600m, used: cpu=500m, limited: cpu=1'
    )
    dongles = {"example.com/dongle": "2"}
    more = pod({"cpu": "1m", "memory": "1Mi", **dongles}, dongles)
    assert f"requested: {DONGLE}=2, used: {DONGLE}=2, limited: {DONGLE}=3" in await refusal(pods, "dongles", more)
    assert "must specify cpu for: c; memory for: c" in await refusal(pods, "careless", pod())
    assert await used(cluster) == before | taken, "who is refused takes nothing"

    def ask_for_less(obj: Object) -> None:
        obj["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "100m"

    with pytest.raises(StatusError) as immutable:
        await pods.update("first", ask_for_less)
    assert immutable.value.code == 422
    assert await used(cluster) == before | taken
    await remove(pods, "first")
    assert await used(cluster) == before


@inside
async def test_replication_controllers(cluster: Cluster) -> None:
    """Conformance: ResourceQuota, object count quota, replicationController"""
    controllers = Verbs(cluster, "rc")
    before = await make_quota(cluster)
    template = {"metadata": {"labels": {"app": "web"}}, **pod()}
    await controllers.create("web", {"spec": {"replicas": 0, "template": template}})
    assert await used(cluster) == {**before, "replicationcontrollers": "1"}
    await controllers.delete("web")
    await cluster.clock.advance(1)
    assert await controllers.is_gone("web")
    assert await used(cluster) == before


@inside
async def test_replica_sets(cluster: Cluster) -> None:
    """Conformance: ResourceQuota, object count quota, replicaSet"""
    sets = Verbs(cluster, "replicaset")
    before = await make_quota(cluster)
    template = {"metadata": {"labels": {"app": "web"}}, **pod()}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    await sets.create("web", {"spec": spec})
    assert await used(cluster) == {**before, "count/replicasets.apps": "1"}
    await sets.delete("web")
    assert await used(cluster) == before


@inside
async def test_deadlines(cluster: Cluster) -> None:
    """Conformance: ResourceQuota, quota scope, Terminating and NotTerminating scope"""
    hard = {"pods": "5", "requests.cpu": "1", "requests.memory": "500Mi", "limits.cpu": "2", "limits.memory": "1Gi"}
    assert await make_quota(cluster, "ending", hard=hard, scopes=["Terminating"]) == {}
    assert await make_quota(cluster, "lasting", hard=hard, scopes=["NotTerminating"]) == {}
    requests, limits = {"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"}
    taken = {
        "pods": "1",
        "requests.cpu": "500m",
        "requests.memory": "200Mi",
        "limits.cpu": "1",
        "limits.memory": "400Mi",
    }
    pods = Verbs(cluster, "pod")
    for body, mine, other in (
        (pod(requests, limits), "lasting", "ending"),
        (pod(requests, limits, activeDeadlineSeconds=3600), "ending", "lasting"),
    ):
        await pods.create("one", body)
        assert (await used(cluster, mine), await used(cluster, other)) == (taken, {})
        await remove(pods, "one")
        assert (await used(cluster, mine), await used(cluster, other)) == ({}, {})


@inside
async def test_best_effort(cluster: Cluster) -> None:
    """Conformance: ResourceQuota, quota scope, BestEffort and NotBestEffort scope"""
    hard = {"pods": "5"}
    assert await make_quota(cluster, "careless", hard=hard, scopes=["BestEffort"]) == {}
    assert await make_quota(cluster, "careful", hard=hard, scopes=["NotBestEffort"]) == {}
    pods = Verbs(cluster, "pod")
    requests, limits = {"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"}
    for body, mine, other in ((pod(), "careless", "careful"), (pod(requests, limits), "careful", "careless")):
        await pods.create("one", body)
        assert (await used(cluster, mine), await used(cluster, other)) == ({"pods": "1"}, {})
        await remove(pods, "one")
        assert (await used(cluster, mine), await used(cluster, other)) == ({}, {})


@inside
async def test_update_and_delete(cluster: Cluster) -> None:
    """Conformance: ResourceQuota, update and delete"""
    quotas = Verbs(cluster, "resourcequota")
    created = await quotas.create("test", {"spec": {"hard": {"cpu": "1", "memory": "500Mi"}}})
    assert created["spec"]["hard"] == {"cpu": "1", "memory": "500Mi"}

    def double(obj: Object) -> None:
        obj["spec"]["hard"] = {"cpu": "2", "memory": "1Gi"}

    assert (await quotas.update("test", double))["spec"]["hard"] == {"cpu": "2", "memory": "1Gi"}
    found = await quotas.read("test")
    assert found["spec"]["hard"] == {"cpu": "2", "memory": "1Gi"}
    assert found["status"] == {"hard": {"cpu": "2", "memory": "1Gi"}, "used": {"cpu": "0", "memory": "0"}}
    await quotas.delete("test")
    assert await quotas.is_gone("test")


@inside
async def test_lifecycle(cluster: Cluster) -> None:
    """Conformance: ResourceQuota, manage lifecycle of a ResourceQuota"""
    quotas = Verbs(cluster, "resourcequota")
    await quotas.create("bystander", {"spec": {"hard": {"cpu": "1"}}})
    await quotas.create("test", {"spec": {"hard": {"cpu": "1", "memory": "500Mi"}}}, labels={"e2e": "yes"})
    (listed,) = await quotas.list("e2e=yes", everywhere=True)
    assert listed["metadata"]["name"] == "test"
    change = {"metadata": {"labels": {"test": "patched"}}, "spec": {"hard": {"memory": "750Mi"}}}
    patched = await quotas.patch("test", change, style="strategic")
    assert labels_of(patched) == {"e2e": "yes", "test": "patched"}
    assert patched["spec"]["hard"] == {"cpu": "1", "memory": "750Mi"}
    assert (await quotas.read("test"))["spec"] == patched["spec"]
    await quotas.delete_collection("test=patched")
    assert await quotas.list("e2e=yes", everywhere=True) == []
    assert await quotas.are_left("bystander")


@inside
async def test_status(cluster: Cluster) -> None:
    """Conformance: ResourceQuota, apply changes to a ResourceQuota status"""
    quotas = Verbs(cluster, "resourcequota")
    await quotas.create("test", {"spec": {"hard": {"cpu": "500m", "memory": "500Mi"}}})
    assert (await quotas.read("test"))["status"]["hard"] == {"cpu": "500m", "memory": "500Mi"}

    def raise_status(obj: Object) -> None:
        obj["status"]["hard"] = {"cpu": "600m", "memory": "600Mi"}

    updated = await quotas.update("test", raise_status, "status")
    assert updated["status"]["hard"] == {"cpu": "600m", "memory": "600Mi"}
    assert updated["spec"]["hard"] == {"cpu": "500m", "memory": "500Mi"}
    await cluster.clock.advance(330)
    assert (await quotas.read("test"))["status"]["hard"] == {"cpu": "500m", "memory": "500Mi"}, "as the spec has it"

    more = {"cpu": "1", "memory": "1Gi"}
    assert (await quotas.patch("test", {"spec": {"hard": more}}))["spec"]["hard"] == more
    assert (await quotas.read("test", "status"))["status"]["hard"] == more
    for hard in ({"cpu": "2", "memory": "2Gi"}, {"cpu": "3", "memory": "3Gi"}):
        patched = await quotas.patch("test", {"status": {"hard": hard}, "spec": {"hard": hard}}, subresource="status")
        assert patched["status"]["hard"] == hard
        assert patched["spec"]["hard"] == more, "a patch of the status leaves the spec alone"
        await cluster.clock.advance(330)
        found = await quotas.read("test", "status")
        assert found["status"]["hard"] == found["spec"]["hard"] == more
