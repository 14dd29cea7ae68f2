"""The life of pods, from their making to their end (sig-node)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import datetime

import pytest

from conformance.node.api import Refused
from conformance.node.pods import PATIENT, Pods, container, is_ready, pod, state, until
from e2e.manifests import WEB
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

LIMITS = {"cpu": "100m", "memory": "100Mi"}
START = [
    pod("updated", labels={"name": "foo", "time": "first"}),
    pod("hosted"),
    pod("deadline", labels={"time": "deadline"}),
    pod("status", labels={"time": "status"}),
    pod("cycle", container(PATIENT), labels={"test-pod-static": "true"}, restartPolicy="Always"),
    pod("guaranteed", container("true", resources={"requests": LIMITS, "limits": LIMITS})),
    pod("burstable", container("true", resources={"requests": LIMITS})),
    *(pod(f"set-{i}", labels={"type": "testing"}) for i in range(3)),
]


def names(pods: Pods, labels: str) -> list[str]:
    return sorted(pods.every(labels))


def replace(pods: Pods, name: str, subresource: str, change: Callable[[Object], None]) -> Object:
    """Read, change and write back, until nobody else has written meanwhile."""
    path = pods.path(name, *([subresource] if subresource else []))
    for _ in range(20):
        obj = pods.api.get(path)
        change(obj)
        try:
            return pods.api.put(path, obj)
        except Refused as error:
            assert error.reason == "Conflict"
    raise AssertionError("somebody else always writes first")


def test_made_and_removed(pods: Pods) -> None:
    """Conformance: Pods, lifecycle"""
    assert names(pods, "time=lifecycle") == []
    since = pods.api.get(f"{pods.base}/pods?limit=1")["metadata"]["resourceVersion"]
    events = pods.api.watch(f"{pods.base}/pods?watch=1&labelSelector=time%3Dlifecycle&resourceVersion={since}")
    pods.create(pod("lifecycle", container(PATIENT), labels={"time": "lifecycle"}, terminationGracePeriodSeconds=4))
    assert names(pods, "time=lifecycle") == ["lifecycle"]
    first = next(events)
    assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "lifecycle")
    assert any(event["object"]["status"]["phase"] == "Running" for event in events)
    pods.delete("lifecycle")
    seen = []
    for event in events:
        seen.append(event["type"])
        assert event["object"]["metadata"]["deletionTimestamp"] and event["object"]["spec"]["nodeName"]
        if event["type"] == "DELETED":
            break
    assert seen.count("MODIFIED") >= 1 and seen[-1] == "DELETED"
    assert names(pods, "time=lifecycle") == []


def test_labels_change(pods: Pods) -> None:
    """Conformance: Pods, update"""
    assert names(pods, "name=foo,time=first") == ["updated"]

    def relabel(obj: Object) -> None:
        obj["metadata"]["labels"]["time"] = "second"

    replace(pods, "updated", "", relabel)
    assert names(pods, "time=second") == ["updated"]
    assert names(pods, "time=first") == []


def test_a_deadline_that_comes_later(pods: Pods) -> None:
    """Conformance: Pods, ActiveDeadlineSeconds"""
    assert names(pods, "time=deadline") == ["deadline"]
    pods.until("deadline", is_ready)

    def limit(obj: Object) -> None:
        obj["spec"]["activeDeadlineSeconds"] = 3

    replace(pods, "deadline", "", limit)
    ended = pods.finished("deadline", "Failed")
    assert ended["status"]["reason"] == "DeadlineExceeded"
    assert "terminated" in state(ended)["state"]
    began, finished = ended["status"]["startTime"], state(ended)["state"]["terminated"]["finishedAt"]
    assert 3 <= (datetime.fromisoformat(finished) - datetime.fromisoformat(began)).total_seconds() < 20


def test_a_set_is_deleted(pods: Pods) -> None:
    """Conformance: Pods, delete a collection"""
    assert names(pods, "type=testing") == ["set-0", "set-1", "set-2"]
    pods.api.ask("DELETE", f"{pods.base}/pods?labelSelector=type%3Dtesting")
    until(lambda: not pods.every("type=testing"), "some are still there")
    assert pods.is_there("hosted")


def test_the_address_of_the_host(pods: Pods) -> None:
    """Conformance: Pods, assigned hostip"""
    found = pods.until("hosted", lambda pod: pod["status"].get("hostIP"))
    node = pods.api.get(f"/api/v1/nodes/{found['spec']['nodeName']}")
    assert ipaddress.ip_address(found["status"]["hostIP"])
    assert found["status"]["hostIP"] in [each["address"] for each in node["status"]["addresses"]]


def test_the_status_is_patched(pods: Pods) -> None:
    """Conformance: Pods, patching status"""
    pods.until("status", lambda pod: pod["status"].get("phase") == "Running")
    mark = {"type": "example.com/Mark", "status": "True", "reason": "Marked"}
    change = {"status": {"message": "Patched by a test", "reason": "Test", "conditions": [mark]}}
    patched = pods.api.patch(pods.path("status", "status"), change, "strategic")
    assert (patched["status"]["message"], patched["status"]["reason"]) == ("Patched by a test", "Test")
    assert patched["status"]["phase"] == "Running"
    # What is not the node's to say stays.
    (found,) = [c for c in pods.get("status")["status"]["conditions"] if c["type"] == mark["type"]]
    assert (found["status"], found["reason"]) == ("True", "Marked")


def test_the_whole_life(pods: Pods) -> None:
    """Conformance: Pods, completes the lifecycle of a Pod and the PodStatus"""
    assert names(pods, "test-pod-static=true") == ["cycle"]
    pods.until("cycle", lambda pod: pod["status"].get("phase") == "Running")
    spec = {"containers": [{"name": "main", "image": WEB}]}
    change = {"metadata": {"labels": {"test-pod": "patched"}}, "spec": spec}
    patched = pods.api.patch(pods.path("cycle"), change, "strategic")
    assert patched["metadata"]["labels"] == {"test-pod-static": "true", "test-pod": "patched"}
    assert patched["spec"]["containers"][0]["image"] == WEB
    found = pods.until("cycle", lambda pod: state(pod)["restartCount"] == 1 and is_ready(pod))
    assert state(found)["image"] == WEB  # and so it runs

    def unready(obj: Object) -> None:
        for condition in obj["status"]["conditions"]:
            if condition["type"] == "Ready":
                condition.update(status="False", message="Replaced by a test")

    assert pods.api.get(pods.path("cycle", "status"))["status"]["phase"] == "Running"
    replaced = replace(pods, "cycle", "status", unready)
    (ready,) = [c for c in replaced["status"]["conditions"] if c["type"] == "Ready"]
    assert (ready["status"], ready["message"]) == ("False", "Replaced by a test")

    pods.delete("cycle")
    pods.until_gone("cycle")
    assert names(pods, "test-pod-static=true") == []


def test_quality_of_service(pods: Pods) -> None:
    """Conformance: Pods, QOS"""
    assert pods.get("guaranteed")["status"]["qosClass"] == "Guaranteed"
    assert pods.finished("guaranteed")["status"]["qosClass"] == "Guaranteed"  # and so the node says
    assert pods.get("burstable")["status"]["qosClass"] == "Burstable"
    assert pods.get("hosted")["status"]["qosClass"] == "BestEffort"
