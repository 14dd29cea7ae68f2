"""Deployments (sig-apps)."""

from __future__ import annotations

from conformance.apps import scenes
from conformance.apps.scenes import controller, image_of, new_image, pods, running, workload
from conformance.stage import on_nodes
from conformance.verbs import Verbs, labels_of
from integration.workloads import run_pods, until_quiet
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster


async def sets_by_image(cluster: Cluster) -> dict[str, Object]:
    return {image_of(each): each for each in await cluster.list("replicasets", labels="app=web")}


async def replicas(cluster: Cluster) -> dict[str, int]:
    """What each ReplicaSet is asked for, by image."""
    return {image: each["spec"]["replicas"] for image, each in (await sets_by_image(cluster)).items()}


async def complete(cluster: Cluster, image: str, count: int) -> Object:
    """All pods are of this image, and the Deployment says so."""
    await until_quiet(cluster)
    found = await cluster.get("deployment/web")
    assert [image_of(pod) for pod in (await pods(cluster)).values()] == [image] * count
    status = found["status"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (count,) * 3
    assert status.get("unavailableReplicas", 0) == 0
    assert status["observedGeneration"] == found["metadata"]["generation"]
    return found


@on_nodes()
async def test_scale(cluster: Cluster) -> None:
    """As the entry "Deployment, completes the scaling of a Deployment subresource", with a node that is played."""
    await scenes.check_scale_subresource(cluster, "deployment")


@on_nodes()
async def test_recreate(cluster: Cluster) -> None:
    """As the entry "Deployment Recreate", with a node that is played."""
    deployments = Verbs(cluster, "deployment")
    await deployments.create("web", workload(2, strategy={"type": "Recreate"}))
    await complete(cluster, "web:1", 2)
    first = await pods(cluster)
    await deployments.patch("web", new_image("web:2"), style="strategic")
    ended = False
    for _ in range(10):
        images = {image_of(pod) for pod in await cluster.list("pods", labels="app=web")}
        assert len(images) <= 1, "old and new pods never run side by side"
        ended = ended or not images & {"web:1"}
        if not await run_pods(cluster):
            break
    assert ended
    found = await complete(cluster, "web:2", 2)
    assert not first.keys() & (await pods(cluster)).keys()
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"


@on_nodes()
async def test_rolling_update(cluster: Cluster) -> None:
    """As the entry "Deployment RollingUpdate", with a node that is played."""
    sets = Verbs(cluster, "replicaset")
    note = {"deployment.kubernetes.io/revision": "3546343826724305832"}
    await sets.create("web-controller", workload(), labels={"app": "web"}, annotations=note)
    assert await running(cluster) == 1
    old = set(await pods(cluster))
    owner = await Verbs(cluster, "deployment").create("web", workload(image="web:2"))
    found = await complete(cluster, "web:2", 1)
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3546343826724305833"
    assert not old & (await pods(cluster)).keys()
    adopted = await sets.read("web-controller")
    reference = controller(adopted)
    assert reference and reference["uid"] == owner["metadata"]["uid"]
    assert adopted["spec"]["replicas"] == 0, "kept as what can be gone back to"
    assert set(await sets_by_image(cluster)) == {"web:1", "web:2"}


@on_nodes()
async def test_revision_history_limit(cluster: Cluster) -> None:
    """As the entry "Deployment RevisionHistoryLimit", with a node that is played."""
    sets, deployments = Verbs(cluster, "replicaset"), Verbs(cluster, "deployment")
    await sets.create("web-cleanup", workload(), labels={"app": "web"})
    assert await running(cluster) == 1
    await deployments.create("web", workload(image="web:2", revisionHistoryLimit=0))
    await complete(cluster, "web:2", 1)
    assert set(await sets_by_image(cluster)) == {"web:2"}
    assert await sets.is_gone("web-cleanup")
    await deployments.patch("web", {"spec": {"revisionHistoryLimit": 1}})
    for image in ("web:3", "web:4"):
        await deployments.patch("web", new_image(image), style="strategic")
        await complete(cluster, image, 1)
    assert set(await sets_by_image(cluster)) == {"web:3", "web:4"}


@on_nodes(2)
async def test_proportional_scaling(cluster: Cluster) -> None:
    """As the entry "Deployment Proportional Scaling", with a node that is played."""
    deployments = Verbs(cluster, "deployment")
    bounds = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    await deployments.create("web", workload(10, strategy=bounds))
    await complete(cluster, "web:1", 10)
    await deployments.patch("web", new_image("web:never-runs"), style="strategic")
    await finish_deletions(cluster)
    assert await replicas(cluster) == {"web:1": 8, "web:never-runs": 5}
    assert (await deployments.read("web"))["status"]["availableReplicas"] == 8
    await deployments.patch("web", {"spec": {"replicas": 30}}, subresource="scale")
    # 30 and 3 more are wanted where there were 13; of the 20 more, in proportion 8 to 5, 12 go to the old one, 8 to the
    # new one.
    assert await replicas(cluster) == {"web:1": 20, "web:never-runs": 13}


async def finish_deletions(cluster: Cluster) -> None:
    """Pods that are to go are gone; none that is new starts."""
    for pod in await cluster.list("pods"):
        if pod["metadata"].get("deletionTimestamp"):
            await scenes.delete_pod(cluster, pod["metadata"]["name"])


@on_nodes()
async def test_rollover(cluster: Cluster) -> None:
    """As the entry "Deployment Rollover", with a node that is played."""
    sets, deployments = Verbs(cluster, "replicaset"), Verbs(cluster, "deployment")
    await sets.create("web-rollover", workload(), labels={"app": "web"})
    assert await running(cluster) == 1
    bounds = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    await deployments.create("web", workload(image="web:never-runs", minReadySeconds=10, strategy=bounds))
    assert await replicas(cluster) == {"web:1": 1, "web:never-runs": 1}
    assert (await deployments.read("web"))["status"]["updatedReplicas"] == 1, "in the middle of a rollout"
    await deployments.patch("web", new_image("web:2"), style="strategic")
    await deployments.patch("web", {"spec": {"minReadySeconds": 0}})
    found = await complete(cluster, "web:2", 1)
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert await replicas(cluster) == {"web:1": 0, "web:never-runs": 0, "web:2": 1}


@on_nodes()
async def test_lifecycle(cluster: Cluster) -> None:
    """As the entry "Deployment, completes the lifecycle of a Deployment", with a node that is played."""
    deployments = Verbs(cluster, "deployment")
    await deployments.create("web", workload(2), labels={"test-deployment-static": "true"})
    await deployments.create("bystander", workload(app="other", paused=True))
    await complete(cluster, "web:1", 2)
    change = {
        "metadata": {"labels": {"test-deployment": "patched"}},
        "spec": {"replicas": 1, **new_image("web:2")["spec"]},
    }
    patched = await deployments.patch("web", change, style="strategic")
    assert labels_of(patched) == {"test-deployment-static": "true", "test-deployment": "patched"}
    await complete(cluster, "web:2", 1)
    (listed,) = await deployments.list("test-deployment-static=true", everywhere=True)
    assert listed["metadata"]["name"] == "web"

    def scale(obj: Object) -> None:
        obj["spec"]["replicas"] = 2

    await deployments.update("web", scale)
    await complete(cluster, "web:2", 2)
    assert (await deployments.read("web", "status"))["status"]["readyReplicas"] == 2
    noted = {
        "metadata": {"annotations": {"patchedstatus": "true"}},
        "status": {"readyReplicas": 1, "availableReplicas": 1},
    }
    answer = await deployments.patch("web", noted, subresource="status")
    assert answer["status"]["readyReplicas"] == 1
    assert answer["metadata"]["annotations"]["patchedstatus"] == "true"
    assert (await complete(cluster, "web:2", 2))["status"]["readyReplicas"] == 2, "the controller knows better"
    await deployments.delete_collection("test-deployment-static=true")
    assert await deployments.is_gone("web")
    assert [each["metadata"]["name"] for each in await deployments.list()] == ["bystander"]
    await until_quiet(cluster)
    assert not await cluster.list("replicasets") and not await cluster.list("pods")


@on_nodes()
async def test_status(cluster: Cluster) -> None:
    """As the entry "Deployment, status sub-resource", with a node that is played."""
    await scenes.check_status_subresource(cluster, "deployment", workload())
