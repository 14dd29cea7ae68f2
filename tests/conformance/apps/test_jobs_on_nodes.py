"""Jobs on real nodes: what containers do and end with is theirs (sig-apps)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.apps.job_scenes import nothing_left, reasons
from conformance.beside import beside
from conformance.node.pods import PATIENT, SLEEP, container, until
from conformance.work import Work, labels_of, template
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

JOB = "Job"
OURS = "batch.kubernetes.io/job-name=work"
INDEX = "batch.kubernetes.io/job-completion-index"
REACHED = {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
MET = {"SuccessCriteriaMet": "SuccessPolicy", "Complete": "SuccessPolicy"}
ODD_FAIL = "exit $((JOB_COMPLETION_INDEX % 2))"
REST_SLEEP = f"[ $JOB_COMPLETION_INDEX = 0 ] || {SLEEP}"


def failed(reason: str) -> dict[str, str]:
    return {"FailureTarget": reason, "Failed": reason}


def job(script: str = PATIENT, restart: str = "Never", pod: Object | None = None, **spec: Any) -> Object:
    of = {"spec": template(script, restartPolicy=restart, **(pod or {}))["spec"]}
    return {"parallelism": 2, "completions": 4, "backoffLimit": 6, "template": of, **spec}


def indexed(script: str, completions: int, parallelism: int = 2, **spec: Any) -> Object:
    return job(script, completionMode="Indexed", completions=completions, parallelism=parallelism, **spec)


def ended(work: Work, how: dict[str, str]) -> Object:
    """Wait until the Job says that it has ended, and how; its status, with nothing left to do."""
    found = work.comes_to(JOB, "work", lambda job: {"Complete", "Failed"} & reasons(job["status"]).keys())
    status: Object = found["status"]
    assert reasons(status) == how and nothing_left(status)
    return status


def before_it_ends(work: Work, since: str, condition: str) -> None:
    """This was said first, and alone."""
    for _, obj in work.history(JOB, since):
        if said := reasons(obj["status"]).keys():
            assert said == {condition}
            return


def running(work: Work, count: int = 2) -> dict[str, Object]:
    """Wait until so many pods run, and the Job says so."""
    work.comes_to(JOB, "work", lambda job: job["status"].get("active") == job["status"].get("ready") == count)
    return work.all_ready(count, OURS)


def index_of(pod: Object) -> int:
    return int(pod["metadata"]["annotations"][INDEX])


def owner(pod: Object) -> tuple[str, str, str] | None:
    found = next((each for each in pod["metadata"].get("ownerReferences", ()) if each.get("controller")), None)
    return found and (found["kind"], found["name"], found["uid"])


@beside
def test_local_restarts(work: Work) -> None:
    """Conformance: Jobs, completion after task failure"""
    once = "[ -e /data/foo ] && exit 0; touch /data/foo; exit 1"
    main = container(once, volumeMounts=[{"name": "data", "mountPath": "/data"}])
    pod = {"containers": [main], "volumes": [{"name": "data", "emptyDir": {}}]}
    work.make(JOB, "work", job(restart="OnFailure", pod=pod))
    status = ended(work, REACHED)
    assert (status["succeeded"], status.get("failed", 0)) == (4, 0)
    pods = work.every(OURS).values()
    assert [found["status"]["phase"] for found in pods] == ["Succeeded"] * 4
    assert [found["status"]["containerStatuses"][0]["restartCount"] for found in pods] == [1] * 4


@beside
def test_failing_early(work: Work) -> None:
    """Conformance: Verify Pod Failure policy allows to fail job early on exit code."""
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}
    since = work.make(JOB, "work", job("exit 1", podFailurePolicy={"rules": [rule]}))["metadata"]["resourceVersion"]
    status = ended(work, failed("PodFailurePolicy"))
    before_it_ends(work, since, "FailureTarget")
    assert all("failed with exit code 1 matching FailJob rule at index 0" in c["message"] for c in status["conditions"])
    assert not status.get("succeeded") and status["failed"] in (1, 2), "no pod was made again"


@beside
def test_ignoring_disruptions(work: Work) -> None:
    """Conformance: Ensure pod failure policy allows to ignore failure matching on the DisruptionTarget condition"""
    node = work.api.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    first = f"[ -e /data/mark ] && exit 0; touch /data/mark; trap 'exit 1' TERM; {SLEEP} & wait"
    script = f"[ $JOB_COMPLETION_INDEX = 1 ] && exit 0; {first}"
    main = container(script, volumeMounts=[{"name": "data", "mountPath": "/data"}])
    shared = {
        "name": "data",
        "hostPath": {"path": f"{work.cluster.host.folder}/disrupted", "type": "DirectoryOrCreate"},
    }
    pod = {"containers": [main], "volumes": [shared], "nodeName": node, "terminationGracePeriodSeconds": 30}
    work.make(JOB, "work", indexed("", 2, 2, backoffLimit=0, podFailurePolicy={"rules": [rule]}, pod=pod))
    work.comes_to(JOB, "work", lambda job: job["status"].get("succeeded") == job["status"].get("ready") == 1)
    (name,) = [name for name, pod in work.every(OURS).items() if index_of(pod) == 0]
    until(lambda: work.sh(name, "ls /data").split() == ["mark"], "it has not begun")
    work.api.post(
        work.path(name, "eviction"), {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name}}
    )
    assert [c["reason"] for c in work.get(name)["status"]["conditions"] if c["type"] == "DisruptionTarget"] == [
        "EvictionByEvictionAPI"
    ]
    status = ended(work, REACHED)  # after ten seconds: what is ignored is still not made again at once
    assert (status["completedIndexes"], status["succeeded"], status.get("failed", 0)) == ("0,1", 2, 0)
    pods = work.every(OURS)
    assert sorted(map(index_of, pods.values())) == [0, 1] and name not in pods


@beside
def test_status(work: Work) -> None:
    """Conformance: Jobs, apply changes to status"""
    created = work.make(JOB, "work", job())
    running(work)
    first, later = "2030-01-01T00:00:00Z", "2030-01-01T00:00:05Z"
    told = {"type": "CustomConditionType", "status": "True", "lastTransitionTime": first}
    change = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"conditions": [told]}}
    patched = work.alter(JOB, "work", change, "status", style="merge")
    assert [c["lastTransitionTime"] for c in patched["status"]["conditions"]] == [first]
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    updated = work.update(
        JOB, "work", lambda o: o["status"]["conditions"][0].update(lastTransitionTime=later), "status"
    )
    for found in (updated, work.read(JOB, "work", "status")):
        (condition,) = found["status"]["conditions"]
        assert (condition["type"], condition["lastTransitionTime"]) == ("CustomConditionType", later)
        assert found["metadata"]["uid"] == created["metadata"]["uid"]


@beside
def test_indexes(work: Work) -> None:
    """Conformance: Ensure Pods of an Indexed Job get a unique index."""
    work.make(JOB, "work", indexed("echo $JOB_COMPLETION_INDEX $(hostname)", 4))
    assert ended(work, REACHED)["completedIndexes"] == "0-3"
    pods = work.every(OURS)
    assert sorted(map(index_of, pods.values())) == [0, 1, 2, 3]
    for name, pod in pods.items():
        index = index_of(pod)
        assert (pod["status"]["phase"], pod["spec"]["hostname"]) == ("Succeeded", f"work-{index}")
        assert work.log(name).split() == [str(index), f"work-{index}"]
        assert labels_of(pod)[INDEX] == str(index)


@beside
def test_deletion(work: Work) -> None:
    """Conformance: Jobs, active pods, graceful termination"""
    for propagation in ("Foreground", "Background"):
        work.make(JOB, "work", job())
        running(work)
        work.remove(JOB, "work", propagationPolicy=propagation)
        until(lambda: not work.is_left(JOB, "work") and not work.every(OURS), "something is left")


@beside
def test_failures_of_some_indexes(work: Work) -> None:
    """Conformance: Ensure that all indexes are executed for an indexed job with backoffLimitPerIndex despite some failing"""  # noqa: E501
    work.make(JOB, "work", indexed(ODD_FAIL, 4, backoffLimitPerIndex=1))
    status = ended(work, failed("FailedIndexes"))
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0,2", "1,3")
    assert (status["succeeded"], status["failed"]) == (2, 4), "each index that failed had two pods"
    said = [pod["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] for pod in
            work.every(OURS).values() if pod["status"]["phase"] == "Failed"]  # fmt: skip
    assert sorted(said) == ["0", "0", "1", "1"]


@beside
def test_failing_an_index(work: Work) -> None:
    """Conformance: Mark indexes as failed when the FailIndex action is matched in podFailurePolicy"""
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}}
    policy = {"podFailurePolicy": {"rules": [rule]}, "backoffLimitPerIndex": 1}
    work.make(JOB, "work", indexed(ODD_FAIL, 2, **policy))
    status = ended(work, failed("FailedIndexes"))
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0", "1")
    assert (status["succeeded"], status["failed"]) == (1, 1), "no index was tried again"


@beside
def test_too_many_failed_indexes(work: Work) -> None:
    """Conformance: Terminate job execution when the maxFailedIndexes is exceeded"""
    work.make(JOB, "work", indexed("exit 1", 10, 1, backoffLimitPerIndex=0, maxFailedIndexes=4))
    status = ended(work, failed("MaxFailedIndexesExceeded"))
    assert (status["failed"], status.get("succeeded", 0)) == (5, 0)
    assert (status["failedIndexes"], status.get("completedIndexes", "")) == ("0-4", "")
    assert sorted(map(index_of, work.every(OURS).values())) == [0, 1, 2, 3, 4], "the others were never tried"


def succeeds_by(work: Work, script: str, **rule: Any) -> Object:
    spec = indexed(script, 2, successPolicy={"rules": [rule]})
    since = work.make(JOB, "work", spec)["metadata"]["resourceVersion"]
    status = ended(work, MET)
    assert all(c["message"] == "Matched rules at index 0" for c in status["conditions"])
    before_it_ends(work, since, "SuccessCriteriaMet")
    return status


@beside
def test_success_of_all(work: Work) -> None:
    """Conformance: Ensure that job with successPolicy succeeded when all indexes succeeded"""
    status = succeeds_by(work, "exit 0", succeededIndexes="0,1")
    assert (status["completedIndexes"], status["succeeded"], status.get("failed", 0)) == ("0,1", 2, 0)


def while_one_runs(work: Work, **rule: Any) -> None:
    status = succeeds_by(work, REST_SLEEP, **rule)
    assert (status["completedIndexes"], status["succeeded"]) == ("0", 1)
    nobody = {name: status.get(name, 0) for name in ("active", "ready", "terminating")}
    assert nobody == {"active": 0, "ready": 0, "terminating": 0}  # whether who was stopped has failed is left open
    until(lambda: [index_of(pod) for pod in work.every(OURS).values()] == [0], "the other one is still there")


@beside
def test_success_of_so_many(work: Work) -> None:
    """Conformance: Ensure that job with successPolicy succeededCount rule succeeded even when some indexes remain pending"""  # noqa: E501
    while_one_runs(work, succeededCount=1)


@beside
def test_success_of_certain_indexes(work: Work) -> None:
    """Conformance: Ensure that job with successPolicy succeededIndexes rule succeeded even when some indexes remain pending"""  # noqa: E501
    while_one_runs(work, succeededIndexes="0")


@beside
def test_adoption(work: Work) -> None:
    """Conformance: Jobs, orphan pods, re-adoption"""
    uid = work.make(JOB, "work", job())["metadata"]["uid"]
    name = next(iter(running(work)))
    work.update("Pod", name, lambda pod: pod["metadata"].pop("ownerReferences"))
    adopted = work.until(name, owner)
    assert owner(adopted) == (JOB, "work", uid)
    assert adopted["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    work.update("Pod", name, lambda pod: pod["metadata"].pop("labels"))
    work.until(name, lambda pod: owner(pod) is None)
    assert name not in work.all_ready(2, OURS), "another was made in its place"


@beside
def test_lifecycle(work: Work) -> None:
    """Conformance: Jobs, manage lifecycle"""
    created = work.make(JOB, "work", job("exit 0", suspend=True), {"e2e": "work"})
    work.make(JOB, "bystander", job(suspend=True))
    since = created["metadata"]["resourceVersion"]
    patched = work.alter(JOB, "work", {"metadata": {"labels": {"work": "patched"}}})
    assert labels_of(patched) == {"e2e": "work", "work": "patched"}
    assert int(patched["metadata"]["resourceVersion"]) > int(since)
    until_told(work, since, "MODIFIED", lambda job: labels_of(job).get("work") == "patched")
    assert not work.every()

    def resume(obj: Object) -> None:
        obj["spec"]["suspend"] = False
        obj["metadata"].setdefault("annotations", {})["updated"] = "true"

    assert work.update(JOB, "work", resume)["metadata"]["annotations"]["updated"] == "true"
    until_told(work, since, "MODIFIED", lambda job: job["metadata"].get("annotations", {}).get("updated") == "true")
    (listed,) = work.api.get("/apis/batch/v1/jobs?labelSelector=e2e%3Dwork")["items"]
    assert listed["metadata"]["name"] == "work"
    ended(work, REACHED)
    work.remove_all(JOB, "e2e=work", propagationPolicy="Background")
    until_told(work, since, "DELETED", lambda job: True)
    assert [each["metadata"]["name"] for each in work.find(JOB)] == ["bystander"]


def until_told(work: Work, since: str, event: str, holds: Callable[[Object], bool]) -> None:
    for kind, obj in work.history(JOB, since, "e2e=work"):
        if kind == event and holds(obj):
            return
