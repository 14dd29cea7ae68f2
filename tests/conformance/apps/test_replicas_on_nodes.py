"""ReplicaSets and ReplicationControllers, and budgets for their pods, on real nodes (sig-apps)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.apps import on_nodes
from conformance.apps.on_nodes import condition_of
from conformance.beside import beside
from conformance.node.api import Refused
from conformance.node.pods import PATIENT, container, is_ready, pod
from conformance.work import NEW, Work, image_of, labels_of, new_image, template, workload
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

SET, CONTROLLER, BUDGET = "ReplicaSet", "ReplicationController", "PodDisruptionBudget"


def replication(replicas: int = 1) -> Object:
    return {"replicas": replicas, "selector": {"app": "web"}, "template": template()}


def owner(pod: Object) -> tuple[str, str] | None:
    """Kind and uid."""
    found = next((each for each in pod["metadata"].get("ownerReferences", ()) if each.get("controller")), None)
    return found and (found["kind"], found["uid"])


@beside
def test_replace_and_patch(work: Work) -> None:
    """Conformance: ReplicaSet, is created, Replaced and Patched"""
    work.make(SET, "web", workload(), {"test-rs": "none"})
    work.all_ready(1)
    work.alter(SET, "web", {"spec": {"replicas": 3}}, "scale")
    work.all_ready(3)
    work.update(SET, "web", lambda found: found["spec"].update(replicas=2))
    work.all_ready(2)
    work.status_of(SET, "web", replicas=2, readyReplicas=2)
    of = {"spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": NEW}]}}
    work.alter(SET, "web", {"metadata": {"labels": {"test-rs": "patched"}}, "spec": {"replicas": 3, "template": of}})
    found = work.status_of(SET, "web", replicas=3, readyReplicas=3)
    assert labels_of(found) == {"test-rs": "patched"} and image_of(found) == NEW
    assert found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 0
    assert [image_of(each) for each in work.all_ready(3).values()].count(NEW) == 1, "others stay as they are"


@beside
def test_set_scale(work: Work) -> None:
    """Conformance: ReplicaSet, completes the scaling of a ReplicaSet subresource"""
    work.make(SET, "web", workload())
    work.all_ready(1)
    work.status_of(SET, "web", replicas=1)
    on_nodes.scaled(work, SET)


@beside
def test_set_adoption_and_release(work: Work) -> None:
    """Conformance: Replica Set, adopt matching pods and release non matching pods"""
    adopts(work, SET, workload())
    releases(work, SET, "orphan")


@beside
def test_set_collection(work: Work) -> None:
    """Conformance: ReplicaSet, list and delete a collection of ReplicaSets"""
    work.make(SET, "web", workload(3), {"e2e": "listed"})
    work.all_ready(3)
    on_nodes.listed_and_deleted(work, SET)


@beside
def test_set_status(work: Work) -> None:
    """Conformance: ReplicaSet, status sub-resource"""
    work.make(SET, "web", workload())
    work.all_ready(1)
    work.status_of(SET, "web", readyReplicas=1)
    on_nodes.status_is_written(work, SET)


def adopts(work: Work, kind: str, spec: Object) -> None:
    """A pod that is there already counts, and is owned from then on."""
    work.create(pod("orphan", container(PATIENT), labels={"app": "web"}, restartPolicy="Always"))
    work.until("orphan", is_ready)
    assert owner(work.get("orphan")) is None
    made = work.make(kind, "web", spec)
    found = work.until("orphan", owner)
    assert owner(found) == (kind, made["metadata"]["uid"])
    work.status_of(kind, "web", replicas=1, readyReplicas=1)
    assert list(work.every("app=web")) == ["orphan"], "no other is needed"


def releases(work: Work, kind: str, name: str) -> None:
    """A pod that no longer matches is let go as it is, and another comes in its place."""
    before = work.every("app=web")
    work.update("Pod", name, lambda found: found["metadata"].update(labels={"app": "not-web"}))
    released = work.until(name, lambda found: "ownerReferences" not in found["metadata"])
    assert is_ready(released) and released["metadata"]["uid"] == before[name]["metadata"]["uid"]
    uid = work.read(kind, "web")["metadata"]["uid"]
    assert {owner(each) for each in work.all_ready(len(before)).values()} == {(kind, uid)}


@beside
def test_controller_adoption(work: Work) -> None:
    """Conformance: Replication Controller, adopt matching pods"""
    adopts(work, CONTROLLER, replication())


@beside
def test_controller_release(work: Work) -> None:
    """Conformance: Replication Controller, release pods"""
    work.make(CONTROLLER, "web", replication(2))
    releases(work, CONTROLLER, next(iter(work.all_ready(2))))


@beside
def test_controller_scale(work: Work) -> None:
    """Conformance: Replication Controller, get and update ReplicationController scale"""
    work.make(CONTROLLER, "web", replication())
    work.all_ready(1)
    work.status_of(CONTROLLER, "web", replicas=1)
    on_nodes.scaled(work, CONTROLLER)


@beside
def test_controller_quota(work: Work) -> None:
    """Conformance: Replication Controller, check for issues like exceeding allocated quota"""
    work.make("ResourceQuota", "two", {"hard": {"pods": "2"}})
    work.comes_to("ResourceQuota", "two", lambda found: found["status"].get("hard") == {"pods": "2"})
    work.make(CONTROLLER, "web", replication(3))
    found = work.comes_to(CONTROLLER, "web", lambda found: condition_of(found, "ReplicaFailure"))
    condition = condition_of(found, "ReplicaFailure")
    assert condition and (condition["status"], condition["reason"]) == ("True", "FailedCreate")
    assert "exceeded quota: two, requested: pods=1, used: pods=2, limited: pods=2" in condition["message"]
    work.update(CONTROLLER, "web", lambda found: found["spec"].update(replicas=2), "scale")
    work.comes_to(CONTROLLER, "web", lambda found: condition_of(found, "ReplicaFailure") is None)
    work.all_ready(2)


@beside
def test_controller_lifecycle(work: Work) -> None:
    """Conformance: Replication Controller, lifecycle"""
    static = "test-rc-static=true"
    since = work.now(CONTROLLER)
    work.make(CONTROLLER, "web", replication(), {"test-rc-static": "true"})

    def told(event: str, **wanted: Any) -> Object:
        for kind, found in work.history(CONTROLLER, since, static):
            if kind == event and all(found["status"].get(field, 0) == value for field, value in wanted.items()):
                return found
        raise AssertionError(f"no {event} of {wanted}")

    told("ADDED")
    told("MODIFIED", readyReplicas=1)
    patched = work.alter(CONTROLLER, "web", {"metadata": {"labels": {"test-rc": "patched"}}})
    assert labels_of(patched) == {"test-rc-static": "true", "test-rc": "patched"}
    since = patched["metadata"]["resourceVersion"]
    none = {"status": {"readyReplicas": 0, "availableReplicas": 0}}
    assert work.alter(CONTROLLER, "web", none, "status")["status"].get("readyReplicas", 0) == 0
    told("MODIFIED", readyReplicas=0, availableReplicas=0)
    told("MODIFIED", readyReplicas=1, availableReplicas=1)  # the controller knows better
    assert work.read(CONTROLLER, "web", "status")["status"]["availableReplicas"] == 1

    work.alter(CONTROLLER, "web", new_image())
    work.alter(CONTROLLER, "web", {"spec": {"replicas": 2}}, "scale")
    told("MODIFIED", availableReplicas=2)
    found = work.status_of(CONTROLLER, "web", readyReplicas=2)
    assert image_of(found) == NEW
    everywhere = work.api.get("/api/v1/replicationcontrollers?labelSelector=test-rc-static%3Dtrue")["items"]
    assert [each["metadata"]["uid"] for each in everywhere] == [found["metadata"]["uid"]]
    work.update(CONTROLLER, "web", lambda found: found["spec"].update(replicas=3))
    told("MODIFIED", readyReplicas=3)
    work.remove_all(CONTROLLER, static)
    told("DELETED")
    assert not work.is_left(CONTROLLER, "web")


def budget(least: int | str) -> Object:
    return {"minAvailable": least, "selector": {"matchLabels": {"app": "web"}}}


@beside
def test_budget_follows(work: Work) -> None:
    """Conformance: PodDisruptionBudget: Status updates"""
    since = work.make(BUDGET, "web", budget(1))["metadata"]["resourceVersion"]
    work.make(SET, "web", workload(3))
    work.all_ready(3)
    wanted = {"expectedPods": 3, "currentHealthy": 3, "desiredHealthy": 1, "disruptionsAllowed": 2}
    status = work.status_of(BUDGET, "web", **wanted)["status"]
    assert condition_of({"status": status}, "DisruptionAllowed")
    for _, found in work.history(BUDGET, since):
        if found["status"]["disruptionsAllowed"] == 2:
            break


@beside
def test_budget_status(work: Work) -> None:
    """Conformance: PodDisruptionBudget: update and patch status"""
    work.make(BUDGET, "web", budget(1))
    work.make(SET, "web", workload(2))
    work.all_ready(2)
    spec = work.status_of(BUDGET, "web", disruptionsAllowed=1)["spec"]
    gone = {"web-1": "2030-01-01T00:00:00Z"}

    def note(found: Object) -> None:
        found["status"]["disruptedPods"] = gone
        found["spec"]["minAvailable"] = 99

    updated = work.update(BUDGET, "web", note, "status")
    assert (updated["status"]["disruptedPods"], updated["spec"]) == (gone, spec)
    patched = work.alter(BUDGET, "web", {"status": {"disruptedPods": None}}, "status", style="merge")
    assert "disruptedPods" not in patched["status"]
    assert "disruptedPods" not in work.read(BUDGET, "web", "status")["status"]


@beside
def test_evictions(work: Work) -> None:
    """Conformance: PodDisruptionBudget: block an eviction until the PDB is updated to allow it"""
    work.make(BUDGET, "web", budget(3))
    work.make(SET, "web", workload(3))

    def all_counted(allowed: int) -> str:
        name = next(iter(work.all_ready(3)))
        work.status_of(BUDGET, "web", currentHealthy=3, disruptionsAllowed=allowed)
        return name

    name = all_counted(0)
    refused(work, name)
    work.update(BUDGET, "web", lambda found: found["spec"].update(minAvailable=2))
    all_counted(1)
    work.evict(name)
    work.until_gone(name)
    work.alter(BUDGET, "web", {"spec": {"minAvailable": 3}}, style="merge")
    name = all_counted(0)
    refused(work, name)
    work.remove(BUDGET, "web")
    work.evict(name)
    work.until_gone(name)


def refused(work: Work, name: str) -> None:
    wish = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name}}
    answer = work.api.answer("POST", work.path(name, "eviction"), json.dumps(wish), "application/json")
    said = json.loads(answer.body)
    assert (answer.status, said["reason"]) == (429, "TooManyRequests")
    assert said["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert [cause["reason"] for cause in said["details"]["causes"]] == ["DisruptionBudget"]
    with pytest.raises(Refused):
        work.evict(name)
    assert is_ready(work.get(name))
