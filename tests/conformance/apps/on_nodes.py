"""What entries on several kinds of workload do alike, on real nodes. Each workload is called `web`."""

from __future__ import annotations

from conformance.node.pods import until
from conformance.work import Work, labels_of
from longboat.machinery.objects import Object


def condition_of(obj: Object, kind: str) -> Object | None:
    return next((each for each in obj["status"].get("conditions", ()) if each["type"] == kind), None)


def listed_and_deleted(work: Work, kind: str) -> None:
    """By their label e2e=listed, in all namespaces and in one; their pods go with them."""
    everywhere = work.place(kind).replace(f"/namespaces/{work.namespace}", "")
    found = work.api.get(f"{everywhere}?labelSelector=e2e%3Dlisted")["items"]
    ours = [each for each in found if each["metadata"]["namespace"] == work.namespace]
    assert [each["metadata"]["name"] for each in ours] == ["web"] == names(work, kind)
    work.remove_all(kind, "e2e=listed", gracePeriodSeconds=1)
    until(lambda: names(work, kind) == [], "it is still listed")
    until(lambda: not work.every("app=web"), lambda: f"what it owned is still there: {work.phases()}")


def names(work: Work, kind: str) -> list[str]:
    return [each["metadata"]["name"] for each in work.find(kind, "e2e=listed")]


def status_is_written(work: Work, kind: str) -> None:
    """Read, updated and patched, through its own path; every reader and watcher sees it, and nothing else changes."""
    since = work.now(kind)
    spec = work.alter(kind, "web", {"metadata": {"labels": {"e2e": "testing"}}})["spec"]
    assert work.read(kind, "web", "status")["spec"] == spec
    told = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}

    def tell(obj: Object) -> None:
        obj["status"].setdefault("conditions", []).append({**told, "lastTransitionTime": None})
        obj["spec"]["minReadySeconds"] = 99

    updated = work.update(kind, "web", tell, "status")
    for found in (updated, work.read(kind, "web"), work.read(kind, "web", "status")):
        assert told.items() <= (condition_of(found, "StatusUpdate") or {}).items()
        assert found["spec"] == spec
    seen(work, kind, since, "StatusUpdate")
    change = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
    assert condition_of(work.alter(kind, "web", change, "status", style="merge"), "StatusPatched")
    seen(work, kind, since, "StatusPatched")


def seen(work: Work, kind: str, since: str, condition: str) -> None:
    for _, found in work.history(kind, since, "e2e=testing"):
        if labels_of(found)["e2e"] == "testing" and condition_of(found, condition):
            return


def scaled(work: Work, kind: str) -> None:
    """From one replica to two by an update that rests on no version, and to four by a patch."""
    scale = work.read(kind, "web", "scale")
    assert (scale["kind"], scale["spec"]["replicas"], scale["status"]["replicas"]) == ("Scale", 1, 1)
    assert scale["status"]["selector"] == "app=web"
    scale["spec"]["replicas"] = 2
    del scale["metadata"]["resourceVersion"]
    assert work.api.put(work.place(kind, "web", "scale"), scale)["spec"]["replicas"] == 2
    assert work.read(kind, "web")["spec"]["replicas"] == 2
    whole = {"metadata": {}, "spec": {"replicas": 4}, "status": {"replicas": 0}}
    assert work.alter(kind, "web", whole, "scale")["spec"]["replicas"] == 4
    assert work.read(kind, "web")["spec"]["replicas"] == 4
    work.all_ready(4)
    work.status_of(kind, "web", replicas=4, readyReplicas=4)
    assert work.read(kind, "web", "scale")["status"]["replicas"] == 4
