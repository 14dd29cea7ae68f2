"""ReplicaSets (sig-apps)."""

from __future__ import annotations

from conformance.apps import scenes
from conformance.apps.scenes import controller, pods, running, workload
from conformance.stage import on_nodes
from conformance.verbs import Verbs, labels_of
from integration.workloads import until_quiet
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster


@on_nodes()
async def test_replace_and_patch(cluster: Cluster) -> None:
    """As the entry "ReplicaSet, is created, Replaced and Patched", with a node that is played."""
    sets = Verbs(cluster, "replicaset")
    await sets.create("web", workload(), labels={"test-rs": "none"})
    assert await running(cluster) == 1

    def scale(obj: Object) -> None:
        obj["spec"]["replicas"] = 2

    await sets.update("web", scale)
    assert await running(cluster) == 2
    assert (await sets.read("web"))["status"]["replicas"] == 2
    template = {"spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "web:2"}]}}
    change = {"metadata": {"labels": {"test-rs": "patched"}}, "spec": {"replicas": 3, "template": template}}
    await sets.patch("web", change, style="strategic")
    found = await sets.read("web")
    assert labels_of(found) == {"test-rs": "patched"}
    assert found["spec"]["replicas"] == 3
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    assert found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 0
    assert await running(cluster) == 3
    assert (await sets.read("web"))["status"]["readyReplicas"] == 3


@on_nodes()
async def test_scale(cluster: Cluster) -> None:
    """As the entry "ReplicaSet, completes the scaling of a ReplicaSet subresource", with a node that is played."""
    await scenes.check_scale_subresource(cluster, "replicaset")


@on_nodes()
async def test_adoption_and_release(cluster: Cluster) -> None:
    """As the entry "Replica Set, adopt matching pods and release non matching pods", with a node that is played."""
    sets, each = Verbs(cluster, "replicaset"), Verbs(cluster, "pod")
    await each.create("orphan", {"spec": scenes.pod_template()["spec"]}, labels={"app": "web"})
    assert await running(cluster) == 1
    assert controller(await each.read("orphan")) is None
    owner = await sets.create("web", workload())
    await until_quiet(cluster)
    assert list(await pods(cluster)) == ["orphan"], "adopted, so no other is needed"
    reference = controller(await each.read("orphan"))
    assert reference and (reference["kind"], reference["uid"]) == ("ReplicaSet", owner["metadata"]["uid"])
    await each.label("orphan", app="not-web")
    await until_quiet(cluster)
    released = await each.read("orphan")
    assert "ownerReferences" not in released["metadata"]
    assert labels_of(released) == {"app": "not-web"}
    (successor,) = (await pods(cluster)).values()
    reference = controller(successor)
    assert reference and reference["uid"] == owner["metadata"]["uid"]


@on_nodes()
async def test_collection(cluster: Cluster) -> None:
    """As the entry "ReplicaSet, list and delete a collection of ReplicaSets", with a node that is played."""
    await scenes.check_collection(cluster, "replicaset", workload(3))


@on_nodes()
async def test_status(cluster: Cluster) -> None:
    """As the entry "ReplicaSet, status sub-resource", with a node that is played."""
    await scenes.check_status_subresource(cluster, "replicaset", workload())
