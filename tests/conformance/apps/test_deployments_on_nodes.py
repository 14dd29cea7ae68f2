"""Deployments on real nodes (sig-apps)."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.apps import on_nodes
from conformance.beside import beside
from conformance.node.pods import until
from conformance.work import NEW, OLD, Work, image_of, labels_of, new_image, template, workload
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

KIND, SET = "Deployment", "ReplicaSet"
NEVER = "longboat.local/non-existent:1"
REVISION = "deployment.kubernetes.io/revision"


def sets(work: Work) -> dict[str, Object]:
    """By image."""
    return {image_of(each): each for each in work.find(SET, "app=web")}


def replicas(work: Work) -> dict[str, int]:
    """What each ReplicaSet is asked for, by image."""
    return {image: each["spec"]["replicas"] for image, each in sets(work).items()}


def complete(work: Work, image: str, count: int) -> Object:
    """All pods are of this image and ready, and the Deployment says so."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), count)
    found = work.status_of(KIND, "web", unavailableReplicas=0, **counts)
    assert [image_of(each) for each in work.all_ready(count).values()] == [image] * count
    return found


def earlier(work: Work, name: str, image: str = OLD, **meta: Any) -> None:
    """A ReplicaSet that is there before the Deployment."""
    work.make(SET, name, workload(of=template(image=image)), {"app": "web"}, **meta)
    work.all_ready(1)


@beside
def test_scale(work: Work) -> None:
    """Conformance: Deployment, completes the scaling of a Deployment subresource"""
    work.make(KIND, "web", workload())
    complete(work, OLD, 1)
    on_nodes.scaled(work, KIND)


@beside
def test_recreate(work: Work) -> None:
    """Conformance: Deployment Recreate"""
    work.make(KIND, "web", workload(2, strategy={"type": "Recreate"}))
    complete(work, OLD, 2)
    first = set(work.every("app=web"))
    since = work.now()
    work.alter(KIND, "web", new_image())
    found = complete(work, NEW, 2)
    assert found["metadata"]["annotations"][REVISION] == "2"
    left = set(first)
    for kind, pod in work.history("Pod", since, "app=web"):
        name = pod["metadata"]["name"]
        left -= {name} if kind == "DELETED" or pod["status"]["phase"] in ("Failed", "Succeeded") else set()
        if name not in first:
            assert not left, "old and new pods never run side by side"
            break


@beside
def test_rolling_update(work: Work) -> None:
    """Conformance: Deployment RollingUpdate"""
    earlier(work, "web-controller", annotations={REVISION: "3546343826724305832"})
    old = set(work.every("app=web"))
    made = work.make(KIND, "web", workload(of=template(image=NEW)))
    found = complete(work, NEW, 1)
    assert found["metadata"]["annotations"][REVISION] == "3546343826724305833"
    assert not old & set(work.every("app=web"))
    adopted = work.read(SET, "web-controller")
    (reference,) = adopted["metadata"]["ownerReferences"]
    assert (reference["controller"], reference["uid"]) == (True, made["metadata"]["uid"])
    assert adopted["spec"]["replicas"] == 0, "kept as what can be gone back to"
    assert set(sets(work)) == {OLD, NEW}


@beside
def test_revision_history_limit(work: Work) -> None:
    """Conformance: Deployment RevisionHistoryLimit"""
    earlier(work, "web-cleanup")
    work.make(KIND, "web", workload(of=template(image=NEW), revisionHistoryLimit=0))
    complete(work, NEW, 1)
    until(lambda: not work.is_left(SET, "web-cleanup"), "the old set is still there")
    assert set(sets(work)) == {NEW}


@beside
def test_proportional_scaling(work: Work) -> None:
    """Conformance: Deployment Proportional Scaling"""
    bounds = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 1}}
    work.make(KIND, "web", workload(5, strategy=bounds))
    complete(work, OLD, 5)
    work.alter(KIND, "web", new_image(NEVER))
    until(lambda: replicas(work) == {OLD: 4, NEVER: 3}, lambda: f"{replicas(work)}")
    work.status_of(KIND, "web", availableReplicas=4, updatedReplicas=3, replicas=7)
    work.update(KIND, "web", lambda found: found["spec"].update(replicas=15))
    # 15 and 2 more are wanted where there were 7; of the 10 more, in proportion 4 to 3, 6 go to the old one, 4 to the
    # new one. (The suite asks for twice as many, 10 and 30; that is shown with a node that is played.)
    until(lambda: replicas(work) == {OLD: 10, NEVER: 7}, lambda: f"{replicas(work)}")


@beside
def test_rollover(work: Work) -> None:
    """Conformance: Deployment Rollover"""
    earlier(work, "web-rollover")
    bounds = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    work.make(KIND, "web", workload(of=template(image=NEVER), minReadySeconds=3, strategy=bounds))
    found = work.status_of(KIND, "web", updatedReplicas=1)
    assert found["metadata"]["annotations"][REVISION] == "1"
    assert replicas(work) == {OLD: 1, NEVER: 1}
    work.alter(KIND, "web", new_image())
    found = complete(work, NEW, 1)
    assert found["metadata"]["annotations"][REVISION] == "2"
    assert replicas(work) == {OLD: 0, NEVER: 0, NEW: 1}


@beside
def test_lifecycle(work: Work) -> None:
    """Conformance: Deployment, completes the lifecycle of a Deployment"""
    static = "test-deployment-static=true"
    since = work.now(KIND)
    work.make(KIND, "web", workload(2), {"test-deployment-static": "true"})

    def told(event: str, replicas: int = -1, **wanted: Any) -> Object:
        for kind, found in work.history(KIND, since, static):
            if replicas not in (-1, found["spec"]["replicas"]) or kind != event:
                continue
            if all(found["status"].get(field, 0) == value for field, value in wanted.items()):
                return found
        raise AssertionError(f"no {event} of {wanted}")

    told("ADDED")
    told("MODIFIED", availableReplicas=2)
    labels = {"metadata": {"labels": {"test-deployment": "patched"}}}
    of = {"spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": NEW}]}}
    patched = work.alter(KIND, "web", {**labels, "spec": {"replicas": 1, "template": of}})
    assert labels_of(patched) == {"test-deployment-static": "true", "test-deployment": "patched"}
    told("MODIFIED", 1, readyReplicas=1, updatedReplicas=1)
    complete(work, NEW, 1)
    everywhere = work.api.get("/apis/apps/v1/deployments?labelSelector=test-deployment-static%3Dtrue")["items"]
    assert [each["metadata"]["uid"] for each in everywhere] == [patched["metadata"]["uid"]]
    work.update(KIND, "web", lambda found: found["spec"].update(replicas=2))
    complete(work, NEW, 2)
    assert work.read(KIND, "web", "status")["status"]["readyReplicas"] == 2
    since = work.now(KIND)
    counts = {"readyReplicas": 1, "availableReplicas": 1}
    noted = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": counts}
    answer = work.alter(KIND, "web", noted, "status")
    assert answer["status"]["readyReplicas"] == 1
    assert answer["metadata"]["annotations"]["patchedstatus"] == "true"
    told("MODIFIED", readyReplicas=1)
    told("MODIFIED", readyReplicas=2)  # the controller knows better
    work.remove_all(KIND, static)
    told("DELETED")
    until(lambda: not work.every() and not work.find(SET), lambda: f"what it owned is still there: {work.phases()}")


@beside
def test_status(work: Work) -> None:
    """Conformance: Deployment, status sub-resource"""
    work.make(KIND, "web", workload())
    complete(work, OLD, 1)
    on_nodes.status_is_written(work, KIND)
