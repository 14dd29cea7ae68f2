"""Jobs: pods that run to their end, each counted once; indexes, failures, deadlines, suspension, and time to live."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.objects import Object, timestamp
from longboat.testing.cluster import Cluster

pytestmark = pytest.mark.nodes("n1")


def job(name: str = "work", template: Object | None = None, **spec: Any) -> Object:
    pod: Object = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "work:1"}], **(template or {})}
    return {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": {"name": name},
        "spec": {"template": {"spec": pod}, **spec},
    }


async def pods(cluster: Cluster, *phases: str) -> list[Object]:
    found = [p for p in await cluster.list("pods") if not p["metadata"].get("deletionTimestamp")]
    return [p for p in found if not phases or p.get("status", {}).get("phase", "Pending") in phases]


async def end(cluster: Cluster, pod: Object, phase: str, code: int = 1) -> None:
    """`code` is that of a container that failed."""
    ended = {"exitCode": 0 if phase == "Succeeded" else code, "finishedAt": timestamp(cluster.clock.now())}
    container = {"name": "c", "image": "work:1", "state": {"terminated": ended}, "ready": False, "restartCount": 0}
    found = {"phase": phase, "containerStatuses": [{**container, "imageID": ""}]}
    await cluster.patch(f"pod/{pod['metadata']['name']}", {"status": found}, subresource="status")
    await cluster.settle()


async def end_all(cluster: Cluster, phase: str = "Succeeded") -> int:
    found = await pods(cluster, "Pending", "Running")
    for pod in found:
        await end(cluster, pod, phase)
    return len(found)


async def status(cluster: Cluster, name: str = "work") -> Object:
    found: Object = (await cluster.get(f"job/{name}"))["status"]
    return found


def conditions(found: Object) -> dict[str, str]:
    return {c["type"]: c["reason"] for c in found.get("conditions", ()) if c["status"] == "True"}


async def test_completions_are_reached_a_few_at_a_time_and_counted_once(cluster: Cluster) -> None:
    await cluster.apply(job(completions=5, parallelism=2))
    await cluster.settle()
    rounds = []
    while found := await end_all(cluster):
        rounds.append(found)
    assert sum(rounds) == 5 and max(rounds) <= 2
    found = await status(cluster)
    assert found["succeeded"] == 5 and "failed" not in found
    assert conditions(found) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    assert found["completionTime"] and not found.get("uncountedTerminatedPods")
    assert all(not p["metadata"].get("finalizers") for p in await cluster.list("pods"))
    assert any(e["reason"] == "Completed" for e in await cluster.list("events"))


async def test_indexed_jobs_do_each_index_once(cluster: Cluster) -> None:
    await cluster.apply(job(completions=4, parallelism=4, completionMode="Indexed"))
    await cluster.settle()
    by_index = {
        p["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]: p for p in await pods(cluster)
    }
    assert sorted(by_index) == ["0", "1", "2", "3"]
    assert by_index["2"]["spec"]["hostname"] == "work-2"
    assert by_index["2"]["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    for index in ("0", "1", "3"):
        await end(cluster, by_index[index], "Succeeded")
    await end(cluster, by_index["2"], "Failed")
    found = await status(cluster)
    assert (found["completedIndexes"], found["succeeded"], found["failed"]) == ("0,1,3", 3, 1)
    await cluster.clock.advance(11)
    (again,) = await pods(cluster, "Pending")
    assert again["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] == "2"
    await end(cluster, again, "Succeeded")
    assert (await status(cluster))["completedIndexes"] == "0-3"
    assert "Complete" in conditions(await status(cluster))


async def test_failures_are_retried_ever_more_slowly_and_then_given_up(cluster: Cluster) -> None:
    await cluster.apply(job(backoffLimit=2))
    await cluster.settle()
    for wait in (10, 20):
        assert await end_all(cluster, "Failed") == 1
        await cluster.clock.advance(wait - 1)
        assert await pods(cluster, "Pending") == []
        await cluster.clock.advance(2)
        assert len(await pods(cluster, "Pending")) == 1
    await end_all(cluster, "Failed")
    found = await status(cluster)
    assert conditions(found) == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
    assert found["failed"] == 3


async def test_a_deadline_ends_it(cluster: Cluster) -> None:
    await cluster.apply(job(activeDeadlineSeconds=60, parallelism=2, completions=2))
    await cluster.clock.advance(59)
    assert len(await pods(cluster)) == 2
    await cluster.clock.advance(2)
    for pod in await cluster.list("pods"):
        await cluster.client.delete(cluster.kind("pod"), key_of(pod), grace=0)
    await cluster.settle()
    assert conditions(await status(cluster))["Failed"] == "DeadlineExceeded"


def key_of(pod: Object) -> Any:
    from longboat.client.interface import Key

    return Key(pod["metadata"]["namespace"], pod["metadata"]["name"])


async def test_a_suspended_job_waits(cluster: Cluster) -> None:
    await cluster.apply(job(suspend=True))
    await cluster.settle()
    assert await pods(cluster) == []
    assert conditions(await status(cluster)) == {"Suspended": "JobSuspended"}
    await cluster.patch("job/work", {"spec": {"suspend": False}})
    await cluster.settle()
    assert len(await pods(cluster)) == 1
    assert "Suspended" not in conditions(await status(cluster)) and (await status(cluster))["startTime"]


async def test_a_finished_job_goes_when_its_time_is_up(cluster: Cluster) -> None:
    await cluster.apply(job(ttlSecondsAfterFinished=100))
    await cluster.settle()
    await end_all(cluster)
    await cluster.clock.advance(98)
    assert [j["metadata"]["name"] for j in await cluster.list("jobs")] == ["work"]
    await cluster.clock.advance(4)
    assert await cluster.list("jobs") == []


async def test_pods_of_a_deleted_job_are_let_go(cluster: Cluster) -> None:
    await cluster.apply(job())
    await cluster.settle()
    await cluster.client.delete(cluster.kind("job"), key_of(await cluster.get("job/work")), propagation="Background")
    await cluster.settle()
    for pod in await cluster.list("pods"):
        assert not pod["metadata"].get("finalizers")


async def test_a_pod_is_replaced_once_it_has_ended_where_the_job_says_so(cluster: Cluster) -> None:
    await cluster.apply(job(podReplacementPolicy="Failed"))
    await cluster.settle()
    (pod,) = await pods(cluster)
    await cluster.delete(f"pod/{pod['metadata']['name']}")
    await cluster.settle()
    await cluster.clock.advance(20)
    found = await status(cluster)
    assert (found.get("active", 0), found.get("failed", 0), found["terminating"]) == (0, 0, 1)
    assert await pods(cluster) == []
    await end(cluster, pod, "Failed", 143)
    await cluster.clock.advance(11)
    found = await status(cluster)
    assert (found["active"], found["failed"], found["terminating"]) == (1, 1, 0)


async def test_pods_stopped_by_suspension_have_not_failed_and_the_clock_starts_anew(cluster: Cluster) -> None:
    await cluster.apply(job(parallelism=2, completions=2, activeDeadlineSeconds=60))
    await cluster.clock.advance(40)
    before = (await status(cluster))["startTime"]
    await cluster.patch("job/work", {"spec": {"suspend": True}})
    await cluster.settle()
    found = await status(cluster)
    assert conditions(found) == {"Suspended": "JobSuspended"} and "startTime" not in found
    assert await pods(cluster) == [] and (found.get("active", 0), found.get("failed", 0)) == (0, 0)
    await cluster.clock.advance(100)
    await cluster.patch("job/work", {"spec": {"suspend": False}})
    await cluster.clock.advance(40)
    found = await status(cluster)
    assert found["startTime"] > before and conditions(found) == {} and found["active"] == 2
    (resumed,) = found["conditions"]
    assert (resumed["type"], resumed["status"], resumed["reason"]) == ("Suspended", "False", "JobResumed")
    assert {"Suspended", "Resumed"} <= {e["reason"] for e in await cluster.list("events")}


async def test_pods_of_a_former_job_of_that_name_are_let_go(cluster: Cluster) -> None:
    await cluster.apply(job())
    await cluster.settle()
    (own,) = await pods(cluster)
    (owner,) = own["metadata"]["ownerReferences"]
    held = {"finalizers": own["metadata"]["finalizers"], "ownerReferences": [{**owner, "uid": "former"}]}
    await cluster.apply({
        "kind": "Pod", "apiVersion": "v1", "metadata": {"name": "stray", **held},
        "spec": {"containers": [{"name": "c", "image": "work:1"}]},
    })  # fmt: skip
    await cluster.settle()
    if await cluster.exists("pod/stray"):
        assert not (await cluster.get("pod/stray"))["metadata"].get("finalizers")
    assert (await cluster.get(f"pod/{own['metadata']['name']}"))["metadata"]["finalizers"] == held["finalizers"]


async def test_a_job_that_another_manages_is_left_alone(cluster: Cluster) -> None:
    await cluster.apply(job(managedBy="example.com/queue"))
    await cluster.clock.advance(60)
    assert await status(cluster) == {} and await pods(cluster) == []


async def test_containers_restarted_in_place_too_often_end_it(cluster: Cluster) -> None:
    await cluster.apply(job(template={"restartPolicy": "OnFailure"}, backoffLimit=2))
    await cluster.settle()
    (pod,) = await pods(cluster)
    container = {"name": "c", "image": "work:1", "imageID": "", "ready": True, "restartCount": 2, "state": {}}
    found = {"phase": "Running", "containerStatuses": [container]}
    await cluster.patch(f"pod/{pod['metadata']['name']}", {"status": found}, subresource="status")
    await cluster.settle()
    assert conditions(await status(cluster)) == {"FailureTarget": "BackoffLimitExceeded"}


async def test_pods_that_nothing_owns_are_let_go(cluster: Cluster) -> None:
    await cluster.apply({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": "stray", "finalizers": ["batch.kubernetes.io/job-tracking", "example.com/mine"]},
        "spec": {"containers": [{"name": "c", "image": "work:1"}]},
    })  # fmt: skip
    await cluster.settle()
    assert (await cluster.get("pod/stray"))["metadata"]["finalizers"] == ["example.com/mine"]
