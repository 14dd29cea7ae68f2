"""What must hold whenever a disturbance is over: pure functions of what the API server lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from soak.site import Site
from soak.visitors import Visitors

KINDS = "nodes,deployments,statefulsets,daemonsets,pods,cronjobs,persistentvolumeclaims,horizontalpodautoscalers"
LATE = timedelta(minutes=3)  # how long ago a CronJob of every minute may have succeeded for the last time
EVENTS_PER_MINUTE = 80  # events that are there, by minutes of the run: a cluster in a loop tells far more

Object = dict[str, Any]


class Checks:
    """`start`: when the applications were complete for the first time."""

    def __init__(self, site: Site, visitors: Visitors) -> None:
        self._site, self._visitors = site, visitors
        self._processes = {process["name"] for process in site.status()["processes"]}
        self.failed_pods: Counter[str] = Counter()  # that were cleared away, by reason

    def problems(self) -> list[str]:
        """Why the cluster is not as it should be; none once it is."""
        listed = self._site.try_json("get", KINDS, "-A")
        if listed is None:
            return ["the API server does not answer"]
        found = [text for each in listed["items"] for text in wrong(each, datetime.now(UTC))]
        found += [f"{page} does not answer" for page in list(self._visitors.failing)]
        if not found:
            found = [*self._absent(), *self._visitors.lost()]
        self._clear_away(listed["items"])
        return found

    def _absent(self) -> list[str]:
        """Processes that do not run, and agents that do not answer: their nodes count as ready for a while."""
        there = {process["name"] for process in self._site.status()["processes"]}
        nodes = [name for name in self._processes if name.startswith("node-")]
        asked = {name: self._site.kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/healthz") for name in nodes}
        dumb = [f"the agent of {name} does not answer" for name, done in asked.items() if done.code != 0]
        return [*dumb, *(f"{name} does not run" for name in self._processes - there)]

    def _clear_away(self, objects: list[Object]) -> None:
        """Delete pods that were evicted or refused, as whoever looks after a cluster does: nobody else would."""
        for each in objects:
            if is_remains(each):
                self.failed_pods[each["status"].get("reason", "")] += 1
                meta = each["metadata"]
                self._site.kubectl("delete", "pod", "-n", meta["namespace"], meta["name"], "--wait=false")

    def events(self) -> Counter[str]:
        """How many there are, by reason."""
        return Counter(event["reason"] for event in (self._site.get("events", "-A"))["items"])


def is_remains(each: Object) -> bool:
    """Whether it is a pod that has failed and stays until somebody clears it away."""
    if each["kind"] != "Pod" or each["status"].get("phase") != "Failed":
        return False
    owners = each["metadata"].get("ownerReferences") or [{}]
    return owners[0].get("kind") not in ("Job", "DaemonSet")  # which see to it themselves


def wrong(each: Object, now: datetime) -> Iterator[str]:
    """What is wrong with one object."""
    kind, meta = each["kind"], each["metadata"]
    name = f"{kind} {meta.get('namespace', '')}/{meta['name']}"
    if "deletionTimestamp" in meta:
        yield f"{name} is still going"
        return
    status = each.get("status", {})
    if kind == "Node":
        yield from (f"{name} has the taint {taint['key']}" for taint in each["spec"].get("taints") or ())
        states = {condition["type"]: condition["status"] for condition in status["conditions"]}
        yield from (f"{name}: {what}={is_}" for what, is_ in states.items() if (is_ == "True") != (what == "Ready"))
    elif kind in ("Deployment", "StatefulSet", "DaemonSet"):
        yield from (f"{name}: {text}" for text in unfinished(kind, each))
    elif kind == "Pod":
        if is_remains(each):
            yield f"{name} has failed: {status.get('reason')} {status.get('message')}"
        elif status.get("phase") == "Pending" or not (of_job(each) or is_ready(each)):
            yield f"{name} is {status.get('phase')} and not ready"
    elif kind == "PersistentVolumeClaim" and status.get("phase") != "Bound":
        yield f"{name} is {status.get('phase')}"
    elif kind == "CronJob":
        born = meta["creationTimestamp"]
        last, success = status.get("lastScheduleTime", born), status.get("lastSuccessfulTime", born)
        if abs(now - datetime.fromisoformat(last)) > LATE:
            yield f"{name} was due at {last} for the last time"
        if now - datetime.fromisoformat(success) > LATE:
            yield f"{name} has succeeded at {success} for the last time"
    elif kind == "HorizontalPodAutoscaler":
        states = {condition["type"]: condition["status"] for condition in status.get("conditions") or ()}
        if states.get("ScalingActive") != "True":
            yield f"{name} does not measure"


def of_job(pod: Object) -> bool:
    return any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences") or ())


def is_ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())


def unfinished(kind: str, workload: Object) -> Iterator[str]:
    status = workload.get("status", {})
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        yield "not yet observed"
    if kind == "DaemonSet":
        wanted, updated, ready = "desiredNumberScheduled", "updatedNumberScheduled", "numberReady"
        replicas = status.get(wanted, 0)
    else:
        updated, ready = "updatedReplicas", "readyReplicas"
        replicas = workload["spec"]["replicas"]
        if status.get("replicas", 0) != replicas:
            yield f"{status.get('replicas', 0)} pods of {replicas}"
    for field in (updated, ready):
        if status.get(field, 0) != replicas:
            yield f"{field} {status.get(field, 0)} of {replicas}"
