"""DaemonSets (sig-apps)."""

from __future__ import annotations

from typing import Any

from conformance.apps import scenes
from conformance.apps.scenes import image_of, new_image, pods, set_status
from conformance.stage import on_nodes
from conformance.verbs import Verbs
from integration.workloads import run_pods, until_quiet
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

HASH = "controller-revision-hash"
COLOR = "daemonset-color"


def daemons(image: str = "web:1", **spec: Any) -> Object:
    return {"spec": {"selector": {"matchLabels": {"app": "web"}}, "template": scenes.pod_template(image=image), **spec}}


async def by_node(cluster: Cluster) -> dict[str, Object]:
    """Running pods."""
    found = (await pods(cluster)).values()
    return {pod["spec"]["nodeName"]: pod for pod in found if pod.get("status", {}).get("phase") == "Running"}


async def everywhere(cluster: Cluster, count: int) -> dict[str, Object]:
    """The pods, one on each of so many nodes, and the DaemonSet says so."""
    await until_quiet(cluster)
    found = await by_node(cluster)
    assert set(found) == {f"n{number}" for number in range(count)} and len(await pods(cluster)) == count
    status = (await cluster.get("daemonset/web"))["status"]
    said = [status[f"{what}NumberScheduled"] for what in ("desired", "current", "updated")]
    assert [*said, status["numberReady"], status["numberAvailable"], status["numberMisscheduled"]] == [count] * 5 + [0]
    return found


@on_nodes(3)
async def test_creation(cluster: Cluster) -> None:
    """As the entry "DaemonSet-Creation", with a node that is played."""
    await Verbs(cluster, "daemonset").create("web", daemons())
    before = await everywhere(cluster, 3)
    await scenes.delete_pod(cluster, before["n1"]["metadata"]["name"])
    after = await everywhere(cluster, 3)
    changed = {node for node in before if before[node]["metadata"]["uid"] != after[node]["metadata"]["uid"]}
    assert changed == {"n1"}


@on_nodes(2)
async def test_node_selection(cluster: Cluster) -> None:
    """As the entry "DaemonSet-NodeSelection", with a node that is played."""
    template = scenes.pod_template(nodeSelector={COLOR: "blue"})
    sets = Verbs(cluster, "daemonset")
    await sets.create("web", daemons(template=template))
    await until_quiet(cluster)
    assert not await pods(cluster)
    nodes = Verbs(cluster, "node")
    await nodes.patch("n0", {"metadata": {"labels": {COLOR: "blue"}}})
    await until_quiet(cluster)
    assert set(await by_node(cluster)) == {"n0"}
    assert (await sets.read("web"))["status"]["desiredNumberScheduled"] == 1
    await nodes.patch("n0", {"metadata": {"labels": {COLOR: "green"}}})
    await until_quiet(cluster)
    assert not await pods(cluster)
    change = {"template": {"spec": {"nodeSelector": {COLOR: "green"}}}, "updateStrategy": {"type": "RollingUpdate"}}
    await sets.patch("web", {"spec": change})
    await until_quiet(cluster)
    assert set(await by_node(cluster)) == {"n0"}
    status = (await sets.read("web"))["status"]
    assert (status["desiredNumberScheduled"], status["currentNumberScheduled"], status["numberReady"]) == (1, 1, 1)


@on_nodes(3)
async def test_failed_pods(cluster: Cluster) -> None:
    """As the entry "DaemonSet-FailedPodCreation", with a node that is played."""
    await Verbs(cluster, "daemonset").create("web", daemons())
    before = await everywhere(cluster, 3)
    failed = before["n2"]["metadata"]
    await set_status(cluster, failed["name"], "Failed", ready=False)
    await cluster.clock.advance(10)
    after = await everywhere(cluster, 3)
    assert after["n2"]["metadata"]["uid"] != failed["uid"]
    assert await Verbs(cluster, "pod").is_gone(failed["name"])


@on_nodes(3)
async def test_rolling_update(cluster: Cluster) -> None:
    """As the entry "DaemonSet-RollingUpdate", with a node that is played."""
    sets, revisions = Verbs(cluster, "daemonset"), Verbs(cluster, "controllerrevision")
    await sets.create("web", daemons(updateStrategy={"type": "RollingUpdate"}))
    before = await everywhere(cluster, 3)
    (first,) = await revisions.list("app=web")
    assert first["revision"] == 1
    assert {pod["metadata"]["labels"][HASH] for pod in before.values()} == {first["metadata"]["labels"][HASH]}
    await sets.patch("web", new_image("web:2"), style="strategic")
    for _ in range(30):
        unavailable = 3 - len(await by_node(cluster))
        assert unavailable <= 1, "one at a time"
        if not await run_pods(cluster):
            break
    after = await everywhere(cluster, 3)
    assert {image_of(pod) for pod in after.values()} == {"web:2"}
    second = {each["revision"]: each for each in await revisions.list("app=web")}[2]
    assert {pod["metadata"]["labels"][HASH] for pod in after.values()} == {second["metadata"]["labels"][HASH]}
    assert second["metadata"]["labels"][HASH] != first["metadata"]["labels"][HASH]


@on_nodes(3)
async def test_rollback(cluster: Cluster) -> None:
    """As the entry "DaemonSet-Rollback", with a node that is played."""
    sets = Verbs(cluster, "daemonset")
    await sets.create("web", daemons(updateStrategy={"type": "RollingUpdate"}))
    before = await everywhere(cluster, 3)
    await sets.patch("web", new_image("web:never-runs"), style="strategic")
    for pod in await cluster.list("pods"):
        if pod["metadata"].get("deletionTimestamp"):
            await scenes.delete_pod(cluster, pod["metadata"]["name"])
    images = sorted(image_of(pod) for pod in (await pods(cluster)).values())
    assert images == ["web:1", "web:1", "web:never-runs"], "it stops at the first pod that does not come up"
    kept = {name for name, pod in (await pods(cluster)).items() if image_of(pod) == "web:1"}
    await sets.patch("web", new_image("web:1"), style="strategic")
    after = await everywhere(cluster, 3)
    assert {image_of(pod) for pod in after.values()} == {"web:1"}
    for pod in before.values():
        if pod["metadata"]["name"] in kept:
            assert after[pod["spec"]["nodeName"]]["metadata"]["uid"] == pod["metadata"]["uid"], "left alone"
    revisions = {each["revision"] for each in await cluster.list("controllerrevisions")}
    assert revisions == {2, 3}, "what was gone back to is the newest again"


@on_nodes(2)
async def test_collection(cluster: Cluster) -> None:
    """As the entry "DaemonSet, list and delete a collection of DaemonSets", with a node that is played."""
    await scenes.check_collection(cluster, "daemonset", daemons())


@on_nodes(2)
async def test_status(cluster: Cluster) -> None:
    """As the entry "DaemonSet, status sub-resource", with a node that is played."""
    await scenes.check_status_subresource(cluster, "daemonset", daemons())


@on_nodes(1)
async def test_revisions(cluster: Cluster) -> None:
    """As the entry "ControllerRevision, resource lifecycle", with a node that is played."""
    sets, revisions = Verbs(cluster, "daemonset"), Verbs(cluster, "controllerrevision")
    owner = await sets.create("web", daemons())
    await everywhere(cluster, 1)
    (first,) = await revisions.list("app=web", everywhere=True)
    name = first["metadata"]["name"]
    (reference,) = first["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["uid"]) == ("DaemonSet", owner["metadata"]["uid"])
    await revisions.label(name, **{name: "patched"})
    (labelled,) = await revisions.list(f"{name}=patched")
    assert labelled["metadata"]["name"] == name

    labels = {"app": "web", HASH: "12345"}
    second = {"data": first["data"], "revision": first["revision"] + 1}
    await revisions.create("web-12345", second, labels=labels, ownerReferences=[reference])
    assert len(await revisions.list("app=web")) == 2
    await revisions.delete(name)
    (left,) = await revisions.list("app=web")
    assert left["metadata"]["name"] == "web-12345"
    updated = await revisions.relabel("web-12345", mark="updated")
    assert updated["metadata"]["labels"]["mark"] == "updated"
    assert await revisions.list("mark=updated")

    await sets.patch("web", {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}})
    assert len(await revisions.list("app=web")) == 2
    await revisions.delete_collection("mark=updated")
    (current,) = await revisions.list("app=web")
    assert current["revision"] == 3
