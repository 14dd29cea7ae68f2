"""DaemonSets on real nodes (sig-apps)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.apps import on_nodes
from conformance.beside import beside
from conformance.node.pods import until
from conformance.work import NEW, OLD, Work, image_of, labels_of, new_image, stays, template
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

SET, REVISION = "DaemonSet", "ControllerRevision"
HASH = "controller-revision-hash"
COLOR = "daemonset-color"


def daemons(of: Object | None = None, **spec: Any) -> Object:
    return {"selector": {"matchLabels": {"app": "web"}}, "template": of or template(), **spec}


def nodes(work: Work) -> set[str]:
    return {node["metadata"]["name"] for node in work.api.get("/api/v1/nodes")["items"]}


def runs_on(work: Work, wanted: set[str]) -> dict[str, Object]:
    """Wait until a pod is well on each of these nodes, and on no other, and the set says so; pods by node."""
    found: dict[str, Object] = {}

    def look() -> bool:
        pods = work.every("app=web").values()
        found.clear()
        found.update({pod["spec"].get("nodeName", ""): pod for pod in pods})
        return set(found) == wanted and len(pods) == len(wanted) and all(map(stays, pods))

    until(look, lambda: f"not on {wanted}: {work.phases()}")
    fields = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady")
    work.status_of(SET, "web", numberMisscheduled=0, **dict.fromkeys(fields, len(wanted)))
    return dict(found)


def current(work: Work) -> Object:
    """The one revision of the set's template, byte for byte as a Go client writes it, which compares bytes."""
    of = work.read(SET, "web")["spec"]["template"]
    data = {"spec": {"template": {**of, "$patch": "replace"}}}
    (found,) = [each for each in work.find(REVISION, "app=web") if each["data"] == data]
    said = work.api.ask("GET", work.place(REVISION, found["metadata"]["name"]))
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    assert f'"data":{text}'.encode() in said
    return found


@beside
def test_creation(work: Work) -> None:
    """Conformance: DaemonSet-Creation"""
    work.make(SET, "web", daemons())
    before = runs_on(work, nodes(work))
    (node, stopped) = next(iter(before.items()))
    work.delete(stopped["metadata"]["name"])
    work.until_gone(stopped["metadata"]["name"])
    after = runs_on(work, nodes(work))
    assert {n for n in before if before[n]["metadata"]["uid"] != after[n]["metadata"]["uid"]} == {node}


@beside
def test_node_selection(work: Work) -> None:
    """Conformance: DaemonSet-NodeSelection"""
    name = min(nodes(work))

    def color(value: str | None) -> None:
        work.api.patch(f"/api/v1/nodes/{name}", {"metadata": {"labels": {COLOR: value}}})

    work.make(SET, "web", daemons(template(nodeSelector={COLOR: "blue"})))
    try:
        runs_on(work, set())
        color("blue")
        runs_on(work, {name})
        color("green")
        runs_on(work, set())
        change = {"template": {"spec": {"nodeSelector": {COLOR: "green"}}}, "updateStrategy": {"type": "RollingUpdate"}}
        work.alter(SET, "web", {"spec": change})
        runs_on(work, {name})
    finally:
        color(None)


@beside
def test_failed_pods(work: Work) -> None:
    """Conformance: DaemonSet-FailedPodCreation"""
    work.make(SET, "web", daemons())
    before = runs_on(work, nodes(work))
    (node, failed) = next(iter(before.items()))
    name = failed["metadata"]["name"]

    def fail(pod: Object) -> None:
        pod["status"]["phase"] = "Failed"
        del pod["metadata"]["resourceVersion"]

    work.update("Pod", name, fail, "status")
    work.until_gone(name)
    after = runs_on(work, nodes(work))
    assert {n for n in before if before[n]["metadata"]["uid"] != after[n]["metadata"]["uid"]} == {node}


@beside
def test_rolling_update(work: Work) -> None:
    """Conformance: DaemonSet-RollingUpdate"""
    work.make(SET, "web", daemons(updateStrategy={"type": "RollingUpdate"}))
    before = runs_on(work, nodes(work))
    first = current(work)
    assert first["revision"] == 1
    assert {labels_of(pod)[HASH] for pod in before.values()} == {labels_of(first)[HASH]}

    since = work.now()
    work.alter(SET, "web", new_image())
    work.status_of(SET, "web", updatedNumberScheduled=len(before), numberAvailable=len(before))
    after = runs_on(work, nodes(work))
    well = {pod["metadata"]["name"] for pod in before.values()}
    for kind, pod in work.history("Pod", since, "app=web"):
        name = {pod["metadata"]["name"]}
        well = well | name if kind != "DELETED" and stays(pod) else well - name
        assert len(well) >= len(before) - 1, "one at a time"
        if well == {pod["metadata"]["name"] for pod in after.values()}:
            break
    second = current(work)
    assert second["revision"] == 2 and len(work.find(REVISION, "app=web")) == 2
    for pod in after.values():
        assert (image_of(pod), labels_of(pod)[HASH]) == (NEW, labels_of(second)[HASH])
    assert labels_of(second)[HASH] != labels_of(first)[HASH]


@beside
def test_rollback(work: Work) -> None:
    """Conformance: DaemonSet-Rollback"""
    work.make(SET, "web", daemons(updateStrategy={"type": "RollingUpdate"}))
    before = runs_on(work, nodes(work))
    work.update(SET, "web", lambda found: found.update(new_spec(found, "longboat.local/non-existent:1")))
    until(lambda: len(by_image(work)) == 2, "no rollout has begun")
    kept = by_image(work)[OLD]
    assert len(kept) == len(before) - 1, "it stops at the first pod that does not come up"
    work.update(SET, "web", lambda found: found.update(new_spec(found, OLD)))
    work.status_of(SET, "web", updatedNumberScheduled=len(before), numberAvailable=len(before))
    after = runs_on(work, nodes(work))
    assert {image_of(pod) for pod in after.values()} == {OLD}
    assert kept <= {pod["metadata"]["uid"] for pod in after.values()}, "left alone"


def new_spec(found: Object, image: str) -> Object:
    found["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return found


def by_image(work: Work) -> dict[str, set[str]]:
    """Uids of pods that stay."""
    found: dict[str, set[str]] = {}
    for pod in work.every("app=web").values():
        if "deletionTimestamp" not in pod["metadata"]:
            found.setdefault(image_of(pod), set()).add(pod["metadata"]["uid"])
    return found


@beside
def test_collection(work: Work) -> None:
    """Conformance: DaemonSet, list and delete a collection of DaemonSets"""
    work.make(SET, "web", daemons(), {"e2e": "listed"})
    runs_on(work, nodes(work))
    on_nodes.listed_and_deleted(work, SET)


@beside
def test_status(work: Work) -> None:
    """Conformance: DaemonSet, status sub-resource"""
    work.make(SET, "web", daemons())
    runs_on(work, nodes(work))
    on_nodes.status_is_written(work, SET)


@beside
def test_revisions(work: Work) -> None:
    """Conformance: ControllerRevision, resource lifecycle"""
    owner = work.make(SET, "web", daemons())
    runs_on(work, nodes(work))
    everywhere = work.api.get("/apis/apps/v1/controllerrevisions?labelSelector=app%3Dweb")["items"]
    assert owner["metadata"]["uid"] in [each["metadata"]["ownerReferences"][0]["uid"] for each in everywhere]
    (first,) = work.find(REVISION, "app=web")
    name = first["metadata"]["name"]
    (reference,) = first["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["uid"]) == (SET, owner["metadata"]["uid"])
    assert work.read(REVISION, name)["metadata"]["uid"] == first["metadata"]["uid"]
    work.alter(REVISION, name, {"metadata": {"labels": {name: "patched"}}})
    assert labels_of(work.read(REVISION, name))[name] == "patched"

    body = {"kind": REVISION, "apiVersion": "apps/v1", "data": first["data"], "revision": first["revision"] + 1}
    meta = {"name": "web-12345", "labels": {"app": "web", HASH: "12345"}, "ownerReferences": [reference]}
    work.api.post(work.place(REVISION), {**body, "metadata": meta})
    assert len(work.find(REVISION, "app=web")) == 2
    work.remove(REVISION, name)
    until(
        lambda: [each["metadata"]["name"] for each in work.find(REVISION, "app=web")] == ["web-12345"], "two are left"
    )
    work.update(REVISION, "web-12345", lambda found: found["metadata"]["labels"].update({"web-12345": "updated"}))
    assert labels_of(work.read(REVISION, "web-12345"))["web-12345"] == "updated"

    work.alter(SET, "web", {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 2}}}})
    until(lambda: len(work.find(REVISION, "app=web")) == 2, "no revision for the new template")
    work.remove_all(REVISION, "web-12345=updated")
    until(lambda: [each["revision"] for each in work.find(REVISION, "app=web")] == [3], "the old one is still there")
