"""StatefulSets on real nodes (sig-apps)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from conformance.apps import on_nodes
from conformance.beside import beside
from conformance.node.pods import PATIENT, container, is_ready, pod, until
from conformance.work import NEW, OLD, Work, image_of, labels_of, new_image, site, template, workload
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

SET = "StatefulSet"
HASH = "controller-revision-hash"
PORT = 21017
KILLED = 137  # a command's exit code
PAUSE = 2.0  # seconds in which something must not happen


def stateful(replicas: int = 1, of: Object | None = None, **spec: Any) -> Object:
    return workload(replicas, of or site(), serviceName="web", **spec)


def spoil(work: Work, *names: str) -> None:
    """Make pods not ready; they run on."""
    for name in names:
        work.sh(name, "mv /www/index.html /tmp")
    for name in names:
        work.until(name, lambda pod: pod["status"]["phase"] == "Running" and not is_ready(pod))


def mend(work: Work, *names: str) -> None:
    """What is to go may go before the command has said that it is through."""
    for name in names:
        done = work.run(name, "mv", "/tmp/index.html", "/www")
        assert done.code in (0, KILLED) or "not found" in done.err, done


def stays_at(work: Work, count: int) -> None:
    """So many pods there are, and none more or fewer for a while."""
    end = time.monotonic() + PAUSE
    while time.monotonic() < end:
        assert len(work.every("app=web")) == count
        time.sleep(0.2)


def happened(work: Work, since: str, what: str, count: int) -> list[str]:
    """The pods of which a watch tells this, in order, until there are so many."""
    seen: list[str] = []
    for kind, obj in work.history("Pod", since, "app=web"):
        if kind == what:
            seen.append(obj["metadata"]["name"])
            if len(seen) == count:
                return seen
    raise AssertionError(seen)


def revisions(pods: dict[str, Object]) -> list[str]:
    return [labels_of(pod)[HASH] for pod in pods.values()]


def images(pods: dict[str, Object]) -> list[str]:
    return [image_of(pod) for pod in pods.values()]


@beside
def test_scaling_in_order(work: Work) -> None:
    """Conformance: StatefulSet, Scaling"""
    since = work.now()
    work.make(SET, "web", stateful())
    work.all_ready(1)
    spoil(work, "web-0")
    work.status_of(SET, "web", readyReplicas=0, replicas=1)
    work.alter(SET, "web", {"spec": {"replicas": 3}})
    stays_at(work, 1)
    mend(work, "web-0")
    names = list(work.all_ready(3))
    assert names == happened(work, since, "ADDED", 3) == ["web-0", "web-1", "web-2"]
    work.status_of(SET, "web", readyReplicas=3)

    since = work.now()
    spoil(work, *names)
    work.status_of(SET, "web", readyReplicas=0, replicas=3)
    work.alter(SET, "web", {"spec": {"replicas": 0}})
    stays_at(work, 3)
    mend(work, *names)
    assert happened(work, since, "DELETED", 3) == ["web-2", "web-1", "web-0"]
    work.status_of(SET, "web", replicas=0)


@beside
def test_burst_scaling(work: Work) -> None:
    """Conformance: StatefulSet, Burst Scaling"""
    work.make(SET, "web", stateful(podManagementPolicy="Parallel"))
    work.all_ready(1)
    spoil(work, "web-0")
    work.status_of(SET, "web", readyReplicas=0, replicas=1)
    work.alter(SET, "web", {"spec": {"replicas": 3}})
    until(lambda: len(work.every("app=web")) == 3, "one that is not well holds up the others")
    mend(work, "web-0")
    names = list(work.all_ready(3))
    spoil(work, *names)
    work.status_of(SET, "web", readyReplicas=0, replicas=3)
    work.alter(SET, "web", {"spec": {"replicas": 0}})
    until(lambda: not work.every("app=web"), "they do not go while they are not well")
    work.status_of(SET, "web", replicas=0)


@beside
def test_failed_pods(work: Work) -> None:
    """Conformance: StatefulSet, Recreate Failed Pod"""
    node = work.api.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
    port = {"name": "conflict", "containerPort": PORT, "hostPort": PORT}
    work.create(pod("other", container(ports=[port]), nodeName=node))
    work.until("other", lambda pod: pod["status"]["phase"] == "Running")
    since = work.now()
    of = template(containers=[container(PATIENT, ports=[port])], nodeName=node)
    work.make(SET, "web", stateful(of=of))
    uids = set()
    for kind, found in work.history("Pod", since, "app=web"):
        uids.add(found["metadata"]["uid"])
        if found["status"]["phase"] == "Failed":
            assert found["status"]["reason"] == "NodePorts", "its node has refused it"
        if kind == "DELETED":
            break
    assert uids
    work.delete("other", 0)
    work.until_gone("other")
    started = [pod for name, pod in work.all_ready(1).items() if name == "web-0"]
    assert [found["status"]["phase"] for found in started] == ["Running"]
    assert started[0]["metadata"]["uid"] not in uids


@beside
def test_rolling_update(work: Work) -> None:
    """Conformance: StatefulSet, Rolling Update"""
    work.make(SET, "web", stateful(3))
    pods = work.all_ready(3)
    first = work.status_of(SET, "web", readyReplicas=3)["status"]["currentRevision"]
    assert revisions(pods) == [first] * 3
    second = changes(work, NEW, first)
    assert second != first
    assert changes(work, OLD, second) == first, "a rollback, not a new revision"
    assert len(work.find("ControllerRevision", "app=web")) == 2


def changes(work: Work, image: str, before: str) -> str:
    """A new image comes to all pods, one after the other, the highest first, once all are well."""
    spoil(work, "web-1")
    since = work.now()
    work.alter(SET, "web", new_image(image))
    status = work.comes_to(SET, "web", lambda found: found["status"]["updateRevision"] != before)["status"]
    after: str = status["updateRevision"]
    assert status["currentRevision"] == before
    mend(work, "web-1")
    assert happened(work, since, "DELETED", 3) == ["web-2", "web-1", "web-0"]
    work.status_of(SET, "web", currentRevision=after, updateRevision=after, readyReplicas=3, updatedReplicas=3)
    pods = work.all_ready(3)
    assert images(pods) == [image] * 3 and revisions(pods) == [after] * 3
    return after


@beside
def test_partitions(work: Work) -> None:
    """Conformance: StatefulSet, Rolling Update with Partition"""

    def part(at: int) -> Object:
        return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": at}}}

    work.make(SET, "web", stateful(3, **part(3)))
    pods = work.all_ready(3)
    status = work.status_of(SET, "web", readyReplicas=3)["status"]
    first = status["currentRevision"]
    assert status["updateRevision"] == first and revisions(pods) == [first] * 3
    work.alter(SET, "web", new_image())
    status = work.comes_to(SET, "web", lambda found: found["status"]["updateRevision"] != first)["status"]
    second = status["updateRevision"]
    assert status["currentRevision"] == first
    assert work.all_ready(3) == pods, "no pod is above the partition"

    def comes(at: int) -> None:
        wanted = [first if number < at else second for number in range(3)]
        until(lambda: revisions(work.all_ready(3)) == wanted, f"not {wanted}")
        assert images(work.all_ready(3)) == [OLD if number < at else NEW for number in range(3)]

    work.alter(SET, "web", {"spec": part(2)})
    comes(2)
    canary = work.every("app=web")
    for name in ("web-0", "web-2"):
        work.delete(name, 0)
    until(lambda: all(uid(work, name) not in ("", canary[name]["metadata"]["uid"]) for name in ("web-0", "web-2")), "")
    comes(2)
    for at in (1, 0):
        work.alter(SET, "web", {"spec": part(at)})
        comes(at)
    work.status_of(SET, "web", currentRevision=second, updateRevision=second)


def uid(work: Work, name: str) -> str:
    found: str = work.every("app=web").get(name, {"metadata": {"uid": ""}})["metadata"]["uid"]
    return found


@beside
def test_scale(work: Work) -> None:
    """Conformance: StatefulSet resource Replica scaling"""
    work.make(SET, "web", stateful(of=template()))
    work.all_ready(1)
    work.status_of(SET, "web", replicas=1, readyReplicas=1)
    on_nodes.scaled(work, SET)


@beside
def test_collection(work: Work) -> None:
    """Conformance: StatefulSet, list, patch and delete a collection of StatefulSets"""
    work.make(SET, "web", stateful(of=template()))
    work.all_ready(1)
    of = {"spec": {"TerminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": NEW}]}}
    labels = {"metadata": {"labels": {"e2e": "listed"}}}
    work.alter(SET, "web", {**labels, "spec": {"replicas": 2, "template": of}})
    found = work.read(SET, "web")
    assert (found["spec"]["replicas"], image_of(found)) == (2, NEW)
    work.status_of(SET, "web", readyReplicas=2, updatedReplicas=2)
    assert images(work.all_ready(2)) == [NEW] * 2
    on_nodes.listed_and_deleted(work, SET)


@beside
def test_status(work: Work) -> None:
    """Conformance: StatefulSet, status sub-resource"""
    work.make(SET, "web", stateful(of=template()))
    work.all_ready(1)
    work.status_of(SET, "web", replicas=1, readyReplicas=1)
    on_nodes.status_is_written(work, SET)
