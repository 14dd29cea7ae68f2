"""ReplicationControllers (sig-apps)."""

from __future__ import annotations

import pytest

from conformance.apps.scenes import condition_of, controller, image_of, pod_template, pods, running, watched
from conformance.stage import on_nodes
from conformance.verbs import Verbs, labels_of
from integration.workloads import until_quiet
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster


def replication(replicas: int = 1, image: str = "web:1") -> Object:
    return {"spec": {"replicas": replicas, "selector": {"app": "web"}, "template": pod_template(image=image)}}


@on_nodes()
async def test_adoption(cluster: Cluster) -> None:
    """As the entry "Replication Controller, adopt matching pods", with a node that is played."""
    each = Verbs(cluster, "pod")
    await each.create("orphan", {"spec": pod_template()["spec"]}, labels={"app": "web"})
    assert await running(cluster) == 1
    owner = await Verbs(cluster, "rc").create("web", replication())
    await until_quiet(cluster)
    assert list(await pods(cluster)) == ["orphan"]
    reference = controller(await each.read("orphan"))
    assert reference and (reference["kind"], reference["uid"]) == ("ReplicationController", owner["metadata"]["uid"])


@on_nodes()
async def test_release(cluster: Cluster) -> None:
    """As the entry "Replication Controller, release pods", with a node that is played."""
    each = Verbs(cluster, "pod")
    owner = await Verbs(cluster, "rc").create("web", replication(2))
    assert await running(cluster) == 2
    first = next(iter(await pods(cluster)))
    await each.label(first, app="not-web")
    assert await running(cluster) == 2, "another has come in its place"
    released = await each.read(first)
    assert "ownerReferences" not in released["metadata"]
    assert released["status"]["phase"] == "Running"
    for pod in (await pods(cluster)).values():
        reference = controller(pod)
        assert reference and reference["uid"] == owner["metadata"]["uid"]


@on_nodes()
async def test_scale(cluster: Cluster) -> None:
    """As the entry "Replication Controller, get and update ReplicationController scale", with a node that is played."""
    controllers = Verbs(cluster, "rc")
    await controllers.create("web", replication())
    assert await running(cluster) == 1
    scale = await controllers.read("web", "scale")
    assert (scale["kind"], scale["spec"]["replicas"], scale["status"]["replicas"]) == ("Scale", 1, 1)

    def double(obj: Object) -> None:
        obj["spec"]["replicas"] = 2

    assert (await controllers.update("web", double, "scale"))["spec"]["replicas"] == 2
    assert (await controllers.read("web"))["spec"]["replicas"] == 2
    assert await running(cluster) == 2
    assert (await controllers.read("web", "scale"))["status"]["replicas"] == 2


@on_nodes()
async def test_quota(cluster: Cluster) -> None:
    """As the entry "Replication Controller, check for issues like exceeding allocated quota"; a node is played."""
    quotas, controllers = Verbs(cluster, "resourcequota"), Verbs(cluster, "rc")
    await quotas.create("two", {"spec": {"hard": {"pods": "2"}}})
    assert (await quotas.read("two"))["status"] == {"hard": {"pods": "2"}, "used": {"pods": "0"}}
    await controllers.create("web", replication(3))
    await cluster.clock.advance(5)
    assert len(await pods(cluster)) == 2
    assert (await quotas.read("two"))["status"]["used"] == {"pods": "2"}
    with pytest.raises(StatusError) as refused:
        await Verbs(cluster, "pod").create("third", {"spec": pod_template()["spec"]})
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    limited = "requested: pods=1, used: pods=2, limited: pods=2"
    assert refused.value.message == f'pods "third" is forbidden: exceeded quota: two, {limited}'
    condition = condition_of(await controllers.read("web"), "ReplicaFailure")
    assert condition and (condition["status"], condition["reason"]) == ("True", "FailedCreate")
    assert condition["message"].endswith(f"exceeded quota: two, {limited}")

    await controllers.patch("web", {"spec": {"replicas": 2}}, subresource="scale")
    await cluster.clock.advance(5)
    assert await running(cluster) == 2
    assert condition_of(await controllers.read("web"), "ReplicaFailure") is None


@on_nodes()
async def test_lifecycle(cluster: Cluster) -> None:
    """As the entry "Replication Controller, lifecycle", with a node that is played."""
    controllers = Verbs(cluster, "rc")
    created = await controllers.create("web", replication(), labels={"test-rc-static": "true"})
    bystander = {"replicas": 0, "selector": {"app": "other"}, "template": pod_template("other")}
    await controllers.create("bystander", {"spec": bystander})
    since = created["metadata"]["resourceVersion"]
    assert await running(cluster) == 1
    await watched(controllers, since, lambda obj: obj["status"].get("readyReplicas") == 1)
    assert (await controllers.read("web"))["status"]["readyReplicas"] == 1

    patched = await controllers.patch("web", {"metadata": {"labels": {"test-rc": "patched"}}}, style="strategic")
    assert labels_of(patched) == {"test-rc-static": "true", "test-rc": "patched"}
    count = {"status": {"readyReplicas": 0, "availableReplicas": 0}}
    answer = await controllers.patch("web", count, subresource="status")
    assert answer["status"].get("readyReplicas", 0) == 0
    assert (await controllers.read("web", "status"))["status"]["readyReplicas"] == 1, "the controller knows better"

    change = {"spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "c", "image": "web:2"}]}}}}
    await controllers.patch("web", change, style="strategic")
    assert await running(cluster) == 2
    found = await controllers.read("web")
    assert (found["status"]["availableReplicas"], image_of(found)) == (2, "web:2")

    (listed,) = await controllers.list("test-rc-static=true", everywhere=True)
    assert listed["metadata"]["name"] == "web"

    def scale(obj: Object) -> None:
        obj["spec"]["replicas"] = 3

    await controllers.update("web", scale)
    assert await running(cluster) == 3
    await controllers.delete_collection("test-rc-static=true")
    await until_quiet(cluster)
    assert await controllers.is_gone("web")
    assert [each["metadata"]["name"] for each in await controllers.list()] == ["bystander"]
