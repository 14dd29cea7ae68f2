"""Jobs (sig-apps)."""

from __future__ import annotations

from typing import Any

from conformance.apps.job_scenes import (
    fails,
    finish,
    index_of,
    indexed,
    job,
    nothing_left,
    pods_of,
    reasons,
    run,
    runs_on,
    succeeds,
    tell,
)  # fmt: skip
from conformance.apps.scenes import condition_of, controller, watched
from conformance.stage import on_nodes
from conformance.verbs import Verbs, labels_of
from longboat.api import kinds
from longboat.machinery.objects import Object, timestamp
from longboat.testing.cluster import Cluster

REACHED = {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
MET = {"SuccessCriteriaMet": "SuccessPolicy", "Complete": "SuccessPolicy"}


def failed(reason: str) -> dict[str, str]:
    return {"FailureTarget": reason, "Failed": reason}


@on_nodes()
async def test_local_restarts(cluster: Cluster) -> None:
    """As the entry "Jobs, completion after task failure", with a node that is played."""
    await Verbs(cluster, "job").create("work", job(restart="OnFailure", backoffLimit=6))
    failed_once: set[str] = set()
    while not reasons((await cluster.get("job/work"))["status"]):
        await run(cluster)
        for pod in await pods_of(cluster, "Running"):
            uid = pod["metadata"]["uid"]
            if uid in failed_once:
                await tell(cluster, pod, "Succeeded", 0, restarts=1)
            else:
                failed_once.add(uid)
                await tell(cluster, pod, "Running", restarts=1)
            await cluster.settle()
    status = await finish(cluster, runs_on)
    assert reasons(status) == REACHED and nothing_left(status)
    assert (status["succeeded"], status.get("failed", 0)) == (4, 0)
    assert {pod["metadata"]["uid"] for pod in await pods_of(cluster)} == failed_once and len(failed_once) == 4


@on_nodes()
async def test_failing_early(cluster: Cluster) -> None:
    """As the entry "Verify Pod Failure policy allows to fail job early on exit code.", with a node that is played."""
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}
    jobs = Verbs(cluster, "job")
    await jobs.create("work", job(podFailurePolicy={"rules": [rule]}))
    await run(cluster)
    first, second = await pods_of(cluster, "Running")
    since = (await jobs.read("work"))["metadata"]["resourceVersion"]
    await tell(cluster, first, "Failed", 1)
    await cluster.settle()
    announced = (await jobs.read("work"))["status"]
    assert reasons(announced) == {"FailureTarget": "PodFailurePolicy"} and announced["terminating"] == 1
    status = await finish(cluster, runs_on)
    assert reasons(status) == failed("PodFailurePolicy") and nothing_left(status)
    name = first["metadata"]["name"]
    said = f"Container c for pod default/{name} failed with exit code 1 matching FailJob rule at index 0"
    assert all(c["message"] == said for c in status["conditions"])
    assert [pod["metadata"]["name"] for pod in await pods_of(cluster)] == [name], "the other one was stopped"
    assert status["failed"] == 2
    await watched(jobs, since, lambda obj: set(reasons(obj["status"])) == {"FailureTarget"})
    assert any((e["reason"], e["type"]) == ("PodFailurePolicy", "Warning") for e in await cluster.list("events"))
    assert second["metadata"]["name"] != name


@on_nodes()
async def test_ignoring_disruptions(cluster: Cluster) -> None:
    """As the entry "Ensure pod failure policy allows to ignore failure matching on the DisruptionTarget condition", with a node that is played."""  # noqa: E501
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    await Verbs(cluster, "job").create("work", indexed(3, 3, backoffLimit=2, podFailurePolicy={"rules": [rule]}))
    await run(cluster)
    victims = await pods_of(cluster, "Running")
    assert (await cluster.get("job/work"))["status"]["ready"] == len(victims) == 3
    for pod in victims:
        name = pod["metadata"]["name"]
        wish = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name}}
        await cluster.client.create(kinds.POD, wish, namespace="default", name=name, subresource="eviction")
        await cluster.settle()
        evicted = await cluster.get(f"pod/{name}")
        condition = condition_of(evicted, "DisruptionTarget")
        assert condition and (condition["status"], condition["reason"]) == ("True", "EvictionByEvictionAPI")
    assert len(await pods_of(cluster)) == 3, "none is replaced before it has ended"
    await run(cluster)
    assert not {pod["metadata"]["uid"] for pod in victims} & {p["metadata"]["uid"] for p in await pods_of(cluster)}
    status = await finish(cluster, succeeds)
    assert reasons(status) == REACHED and nothing_left(status)
    assert (status["completedIndexes"], status["succeeded"], status.get("failed", 0)) == ("0-2", 3, 0)


@on_nodes()
async def test_status(cluster: Cluster) -> None:
    """As the entry "Jobs, apply changes to status", with a node that is played."""
    jobs = Verbs(cluster, "job")
    created = await jobs.create("work", job())
    await run(cluster)
    assert len(await pods_of(cluster, "Running")) == (await jobs.read("work"))["status"]["active"] == 2
    told: Object = {"type": "CustomConditionType", "status": "True"}
    told["lastTransitionTime"] = timestamp(cluster.clock.now())
    change = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"conditions": [told]}}
    patched = await jobs.patch("work", change, subresource="status")
    told["lastProbeTime"] = None
    assert condition_of(patched, "CustomConditionType") == told
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    await cluster.clock.advance(5)
    later = timestamp(cluster.clock.now())

    def retell(obj: Object) -> None:
        (condition,) = obj["status"]["conditions"]
        condition["lastTransitionTime"] = later

    updated = await jobs.update("work", retell, "status")
    assert condition_of(updated, "CustomConditionType") == {**told, "lastTransitionTime": later}
    found = await jobs.read("work", "status")
    assert found["metadata"]["uid"] == created["metadata"]["uid"]
    assert condition_of(found, "CustomConditionType") == {**told, "lastTransitionTime": later}


@on_nodes()
async def test_indexes(cluster: Cluster) -> None:
    """As the entry "Ensure Pods of an Indexed Job get a unique index.", with a node that is played."""
    await Verbs(cluster, "job").create("work", indexed(4))
    status = await finish(cluster, succeeds)
    assert reasons(status) == REACHED and status["completedIndexes"] == "0-3"
    pods = await pods_of(cluster, "Succeeded")
    assert sorted(map(index_of, pods)) == [0, 1, 2, 3]
    for pod in pods:
        assert pod["spec"]["hostname"] == f"work-{index_of(pod)}"
        assert pod["metadata"]["name"].startswith(f"work-{index_of(pod)}-")
        (variable,) = pod["spec"]["containers"][0]["env"]
        path = variable["valueFrom"]["fieldRef"]["fieldPath"]
        assert (variable["name"], path) == (
            "JOB_COMPLETION_INDEX", "metadata.labels['batch.kubernetes.io/job-completion-index']",
        )  # fmt: skip
        assert labels_of(pod)["batch.kubernetes.io/job-completion-index"] == str(index_of(pod))


@on_nodes()
async def test_deletion(cluster: Cluster) -> None:
    """As the entry "Jobs, active pods, graceful termination", with a node that is played."""
    jobs = Verbs(cluster, "job")
    await jobs.create("work", job())
    await run(cluster)
    assert len(await pods_of(cluster, "Running")) == (await jobs.read("work"))["status"]["active"] == 2
    for propagation in ("Background", "Foreground"):
        await cluster.delete("job/work", propagation=propagation)
        await cluster.settle()
        await run(cluster)
        assert await jobs.is_gone("work") and await pods_of(cluster) == []
        if propagation == "Background":
            await jobs.create("work", job())
            await run(cluster)
            assert len(await pods_of(cluster, "Running")) == 2


def odd_fail(pod: Object) -> int | None:
    return index_of(pod) % 2


@on_nodes()
async def test_failures_of_some_indexes(cluster: Cluster) -> None:
    """As the entry "Ensure that all indexes are executed for an indexed job with backoffLimitPerIndex despite some failing", with a node that is played."""  # noqa: E501
    await Verbs(cluster, "job").create("work", indexed(4, backoffLimitPerIndex=1))
    status = await finish(cluster, odd_fail)
    assert reasons(status) == failed("FailedIndexes") and nothing_left(status)
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0,2", "1,3")
    assert (status["succeeded"], status["failed"]) == (2, 4), "each index that failed had two pods"
    counts = [pod["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] for pod in
              await pods_of(cluster, "Failed")]  # fmt: skip
    assert sorted(counts) == ["0", "0", "1", "1"]


@on_nodes()
async def test_failing_an_index(cluster: Cluster) -> None:
    """As the entry "Mark indexes as failed when the FailIndex action is matched in podFailurePolicy", with a node that is played."""  # noqa: E501
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}}
    policy = {"podFailurePolicy": {"rules": [rule]}, "backoffLimitPerIndex": 1}
    await Verbs(cluster, "job").create("work", indexed(2, **policy))
    status = await finish(cluster, odd_fail)
    assert reasons(status) == failed("FailedIndexes") and nothing_left(status)
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0", "1")
    assert (status["succeeded"], status["failed"]) == (1, 1), "no index was tried again"


@on_nodes()
async def test_too_many_failed_indexes(cluster: Cluster) -> None:
    """As the entry "Terminate job execution when the maxFailedIndexes is exceeded", with a node that is played."""
    limits = {"backoffLimitPerIndex": 0, "maxFailedIndexes": 4}
    await Verbs(cluster, "job").create("work", indexed(10, 1, **limits))
    status = await finish(cluster, fails)
    assert reasons(status) == failed("MaxFailedIndexesExceeded") and nothing_left(status)
    said = "Job has exceeded the specified maximal number of failed indexes"
    assert all(c["message"] == said for c in status["conditions"])
    assert (status["failed"], status.get("succeeded", 0)) == (5, 0)
    assert (status["failedIndexes"], status.get("completedIndexes", "")) == ("0-4", "")
    assert sorted(map(index_of, await pods_of(cluster))) == [0, 1, 2, 3, 4], "the others were never tried"


def succeeding(completions: int, **rule: Any) -> Object:
    return indexed(completions, completions, successPolicy={"rules": [rule]})


def only_first(pod: Object) -> int | None:
    return 0 if index_of(pod) == 0 else None


@on_nodes()
async def test_success_of_all(cluster: Cluster) -> None:
    """As the entry "Ensure that job with successPolicy succeeded when all indexes succeeded", with a node that is played."""  # noqa: E501
    jobs = Verbs(cluster, "job")
    created = await jobs.create("work", succeeding(2, succeededIndexes="0,1"))
    status = await finish(cluster, succeeds)
    assert reasons(status) == MET and nothing_left(status)
    assert all(c["message"] == "Matched rules at index 0" for c in status["conditions"])
    assert (status["completedIndexes"], status["succeeded"]) == ("0,1", 2)
    since = created["metadata"]["resourceVersion"]
    await watched(jobs, since, lambda obj: set(reasons(obj["status"])) == {"SuccessCriteriaMet"})


async def succeed_while_one_runs(cluster: Cluster, **rule: Any) -> None:
    await Verbs(cluster, "job").create("work", succeeding(2, **rule))
    status = await finish(cluster, only_first)
    assert reasons(status) == MET and nothing_left(status)
    assert (status["completedIndexes"], status["succeeded"]) == ("0", 1)
    assert status.get("failed", 0) == 0, "the one that was stopped has not failed"
    assert [index_of(pod) for pod in await pods_of(cluster)] == [0]


@on_nodes()
async def test_success_of_so_many(cluster: Cluster) -> None:
    """As the entry "Ensure that job with successPolicy succeededCount rule succeeded even when some indexes remain pending", with a node that is played."""  # noqa: E501
    await succeed_while_one_runs(cluster, succeededCount=1)


@on_nodes()
async def test_success_of_certain_indexes(cluster: Cluster) -> None:
    """As the entry "Ensure that job with successPolicy succeededIndexes rule succeeded even when some indexes remain pending", with a node that is played."""  # noqa: E501
    await succeed_while_one_runs(cluster, succeededIndexes="0")


@on_nodes()
async def test_adoption(cluster: Cluster) -> None:
    """As the entry "Jobs, orphan pods, re-adoption", with a node that is played."""
    jobs, pods = Verbs(cluster, "job"), Verbs(cluster, "pod")
    created = await jobs.create("work", job())
    await run(cluster)
    (first, _) = await pods_of(cluster, "Running")
    name = first["metadata"]["name"]
    await pods.update(name, lambda pod: pod["metadata"].pop("ownerReferences"))
    adopted = await pods.read(name)
    owner = controller(adopted)
    assert owner and owner["uid"] == created["metadata"]["uid"]
    assert adopted["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    assert len(await pods_of(cluster)) == 2
    await pods.update(name, lambda pod: pod["metadata"].pop("labels"))
    released = await pods.read(name)
    assert controller(released) is None and "finalizers" not in released["metadata"]
    await run(cluster)
    others = await pods_of(cluster, "Running")
    assert len(others) == 2 and name not in [pod["metadata"]["name"] for pod in others]


@on_nodes()
async def test_lifecycle(cluster: Cluster) -> None:
    """As the entry "Jobs, manage lifecycle", with a node that is played."""
    jobs = Verbs(cluster, "job")
    created = await jobs.create("work", job(suspend=True), labels={"e2e": "work"})
    await jobs.create("bystander", job(suspend=True))
    assert await pods_of(cluster) == []
    patched = await jobs.label("work", work="patched")
    assert labels_of(patched) == {"e2e": "work", "work": "patched"}
    assert int(patched["metadata"]["resourceVersion"]) > int(created["metadata"]["resourceVersion"])
    since = created["metadata"]["resourceVersion"]
    await watched(jobs, since, lambda obj: labels_of(obj).get("work") == "patched")

    def resume(obj: Object) -> None:
        obj["spec"]["suspend"] = False
        obj["metadata"].setdefault("annotations", {})["updated"] = "true"

    updated = await jobs.update("work", resume)
    assert updated["metadata"]["annotations"]["updated"] == "true"
    await watched(jobs, since, lambda obj: obj["metadata"].get("annotations", {}).get("updated") == "true")
    assert [each["metadata"]["name"] for each in await jobs.list("e2e=work", everywhere=True)] == ["work"]
    assert reasons(await finish(cluster, succeeds)) == REACHED
    await cluster.client.delete_collection(kinds.JOB, namespace="default", labels="e2e=work", propagation="Background")
    await cluster.settle()
    assert await jobs.list("e2e=work", everywhere=True) == []
    assert [each["metadata"]["name"] for each in await jobs.list()] == ["bystander"]
    assert await pods_of(cluster) == []
