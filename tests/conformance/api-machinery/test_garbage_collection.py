"""What goes and what stays with its owner (sig-api-machinery, Garbage collector)."""

from __future__ import annotations

from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.client.interface import Key
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

PODS = 100  # upstream takes between 10 and 100, as many as the nodes hold


def spec(app: str, replicas: int) -> Object:
    container = {"name": "nginx", "image": "registry.k8s.io/e2e-test-images/nginx:1.15-4"}
    template = {"spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}
    return {"replicas": replicas, "template": {"metadata": {"labels": {"gctest": app}}, **template}}


def controller(app: str, replicas: int) -> Object:
    return {"spec": {"selector": {"gctest": app}, **spec(app, replicas)}}


def deployment(app: str) -> Object:
    return {
        "spec": {"strategy": {"type": "RollingUpdate"}, "selector": {"matchLabels": {"gctest": app}}, **spec(app, 2)}
    }


async def remove(verbs: Verbs, obj: Object, propagation: str) -> None:
    """Just this object, told by its uid."""
    meta = obj["metadata"]
    key = Key(verbs.namespace, meta["name"])
    await verbs.cluster.client.delete(verbs.kind, key, uid=meta["uid"], propagation=propagation)
    await verbs.cluster.settle()


async def left(cluster: Cluster, *kinds: str) -> list[int]:
    """How many there are of each kind."""
    return [len(await cluster.list(kind)) for kind in kinds]


@inside
async def test_background(cluster: Cluster) -> None:
    """Conformance: Garbage Collector, delete replication controller, propagation policy background"""
    controllers = Verbs(cluster, "replicationcontroller")
    made = await controllers.create("simpletest.rc", controller("delete_pods", 2))
    assert await cluster.list("pods")
    await remove(controllers, made, "Background")
    assert await left(cluster, "replicationcontrollers", "pods") == [0, 0]


@inside
async def test_orphans(cluster: Cluster) -> None:
    """Conformance: Garbage Collector, delete replication controller, propagation policy orphan"""
    controllers = Verbs(cluster, "replicationcontroller")
    made = await controllers.create("simpletest.rc", controller("orphan_pods", PODS))
    assert (await controllers.read("simpletest.rc"))["status"]["replicas"] == PODS
    await remove(controllers, made, "Orphan")
    assert await left(cluster, "replicationcontrollers") == [0]
    await cluster.clock.advance(30)
    pods = await cluster.list("pods")
    assert len(pods) == PODS and not any(pod["metadata"].get("ownerReferences") for pod in pods)


@inside
async def test_a_deployment_in_the_background(cluster: Cluster) -> None:
    """Conformance: Garbage Collector, delete deployment,  propagation policy background"""
    deployments = Verbs(cluster, "deployment")
    made = await deployments.create("simpletest.deployment", deployment("delete_rs"))
    assert await left(cluster, "replicasets") == [1]
    await remove(deployments, made, "Background")
    assert await left(cluster, "deployments", "replicasets", "pods") == [0, 0, 0]


@inside
async def test_orphans_of_a_deployment(cluster: Cluster) -> None:
    """Conformance: Garbage Collector, delete deployment, propagation policy orphan"""
    deployments = Verbs(cluster, "deployment")
    made = await deployments.create("simpletest.deployment", deployment("orphan_rs"))
    (replicas,) = await cluster.list("replicasets")
    assert replicas["status"]["observedGeneration"] >= replicas["metadata"]["generation"]
    assert replicas["status"]["replicas"] == replicas["spec"]["replicas"] == 2
    await remove(deployments, made, "Orphan")
    assert await left(cluster, "deployments", "replicasets", "pods") == [0, 1, 2]
    (replicas,) = await cluster.list("replicasets")
    assert not replicas["metadata"].get("ownerReferences")


@inside
async def test_foreground(cluster: Cluster) -> None:
    """Conformance: Garbage Collector, delete replication controller, after owned pods"""
    controllers, pods = Verbs(cluster, "replicationcontroller"), Verbs(cluster, "pod")
    made = await controllers.create("simpletest.rc", controller("delete_pods_foreground", PODS))
    assert (await controllers.read("simpletest.rc"))["status"]["replicas"] == PODS
    held = (await pods.list())[0]["metadata"]["name"]
    await pods.patch(held, {"metadata": {"finalizers": ["example.com/held"]}})
    await remove(controllers, made, "Foreground")
    owner = await controllers.read("simpletest.rc")
    assert owner["metadata"]["deletionTimestamp"] and owner["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert await pods.are_left(held), "the owner waits for the last of its pods"
    await pods.patch(held, {"metadata": {"finalizers": None}})
    assert await controllers.is_gone("simpletest.rc")
    assert await left(cluster, "pods") == [0]


@inside
async def test_two_owners(cluster: Cluster) -> None:
    """Conformance: Garbage Collector, multiple owners"""
    controllers, pods = Verbs(cluster, "replicationcontroller"), Verbs(cluster, "pod")
    goes = await controllers.create("simpletest-rc-to-be-deleted", controller("valid_and_pending_owners_d", PODS))
    stays = await controllers.create("simpletest-rc-to-stay", controller("valid_and_pending_owners_s", 0))
    owner = {"apiVersion": "v1", "kind": "ReplicationController", "name": stays["metadata"]["name"]}
    owner["uid"] = stays["metadata"]["uid"]
    for pod in (await pods.list())[: PODS // 2]:
        changed = await pods.patch(
            pod["metadata"]["name"], {"metadata": {"ownerReferences": [owner]}}, style="strategic"
        )
        assert len(changed["metadata"]["ownerReferences"]) == 2
    await remove(controllers, goes, "Foreground")
    await cluster.clock.advance(90)
    assert await controllers.is_gone("simpletest-rc-to-be-deleted")
    found = await pods.list()
    assert len(found) == PODS // 2
    for pod in found:
        assert "deletionTimestamp" not in pod["metadata"]
        assert [(each["name"], each["uid"]) for each in pod["metadata"]["ownerReferences"]] == [
            (owner["name"], owner["uid"])
        ]


@inside
async def test_a_circle(cluster: Cluster) -> None:
    """Conformance: Garbage Collector, dependency cycle"""
    pods = Verbs(cluster, "pod")
    body = {"spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "nginx", "image": "nginx"}]}}
    made = {name: await pods.create(name, body) for name in ("pod1", "pod2", "pod3")}
    for name, owned_by in (("pod1", "pod3"), ("pod2", "pod1"), ("pod3", "pod2")):
        owner = {"apiVersion": "v1", "kind": "Pod", "name": owned_by, "uid": made[owned_by]["metadata"]["uid"]}
        owner |= {"controller": True, "blockOwnerDeletion": True}
        await pods.patch(name, {"metadata": {"ownerReferences": [owner]}}, style="strategic")
    await remove(pods, made["pod1"], "Foreground")
    assert await pods.list() == []
