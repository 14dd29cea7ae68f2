"""How pods are shown in tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column, since
from longboat.registry.kinds.cells import NONE

TERMINAL = ("Succeeded", "Failed")


@dataclass(slots=True)
class Summary:
    """A pod in a few words. `last` is the time of the latest restart."""

    reason: str
    ready: int = 0
    total: int = 0
    restarts: int = 0
    last: str = ""


def condition(pod: Object, kind: str) -> Object:
    """The pod's condition of this type, {} if it has none."""
    found = dig(pod, "status", "conditions", default=())
    return next((c for c in found if c.get("type") == kind), {})


def summary(pod: Object) -> Summary:
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    sidecars = {c.get("name") for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    found = Summary(status.get("reason") or status.get("phase") or "")
    found.total = len(spec.get("containers") or ()) + len(sidecars)
    if condition(pod, "PodScheduled").get("reason") == "SchedulingGated":
        found.reason = "SchedulingGated"
    initializing = _init_containers(found, status, len(spec.get("initContainers") or ()), sidecars)
    if not initializing or condition(pod, "Initialized").get("status") == "True":
        _containers(found, pod, sidecars)
    if dig(pod, "metadata", "deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            found.reason = "Unknown"
        elif status.get("phase") not in TERMINAL:
            found.reason = "Terminating"
    return found


def _init_containers(found: Summary, status: Object, count: int, sidecars: set[str | None]) -> bool:
    """Whether the pod is still at its init containers."""
    for i, container in enumerate(status.get("initContainerStatuses") or ()):
        _restarted(found, container)
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if ended is not None and not ended.get("exitCode"):
            continue
        if container.get("name") in sidecars and container.get("started"):
            found.ready += bool(container.get("ready"))
            continue
        if ended is not None:
            found.reason = f"Init:{_ending(ended)}"
        elif waiting.get("reason") not in (None, "", "PodInitializing"):
            found.reason = f"Init:{waiting['reason']}"
        else:
            found.reason = f"Init:{i}/{count}"
        return True
    return False


def _containers(found: Summary, pod: Object, sidecars: set[str | None]) -> None:
    status = pod.get("status") or {}
    found.restarts, found.last = 0, ""
    for container in status.get("initContainerStatuses") or ():
        if container.get("name") in sidecars:
            _restarted(found, container)
    running = False
    for container in reversed(status.get("containerStatuses") or ()):
        _restarted(found, container)
        state = container.get("state") or {}
        if reason := dig(state, "waiting", "reason"):
            found.reason = reason
        elif state.get("terminated") is not None:
            found.reason = _ending(state["terminated"])
        elif container.get("ready") and state.get("running") is not None:
            running = True
            found.ready += 1
    if found.reason == "Completed" and running:
        found.reason = "Running" if condition(pod, "Ready").get("status") == "True" else "NotReady"


def _restarted(found: Summary, container: Object) -> None:
    found.restarts += container.get("restartCount") or 0
    # Times of one form and zone: the later one sorts last.
    found.last = max(found.last, dig(container, "lastState", "terminated", "finishedAt", default=""))


def _ending(ended: Object) -> str:
    if reason := ended.get("reason"):
        return str(reason)
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode') or 0}"


def _ready(pod: Object) -> str:
    found = summary(pod)
    return f"{found.ready}/{found.total}"


def _restarts(pod: Object, now: datetime) -> str:
    found = summary(pod)
    if found.restarts and found.last:
        return f"{found.restarts} ({since(found.last, now)} ago)"
    return str(found.restarts)


def _ip(pod: Object) -> str:
    addresses = dig(pod, "status", "podIPs", default=())
    return (addresses[0].get("ip") if addresses else "") or NONE


def _gates(pod: Object) -> str:
    gates = dig(pod, "spec", "readinessGates", default=())
    if not gates:
        return NONE
    passed = sum(condition(pod, gate.get("conditionType") or "").get("status") == "True" for gate in gates)
    return f"{passed}/{len(gates)}"


COLUMNS = (
    Column("Ready", str, _ready, description="The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", str, lambda pod: summary(pod).reason,
           description="The aggregate status of the containers in this pod."),
    Column("Restarts", str, _restarts, timed=True,
           description="The number of times the containers in this pod have been restarted and when the last container "
           "in this pod has restarted."),
    AGE,
    Column("IP", str, _ip, 1, "The pod's primary address."),
    Column("Node", str, lambda pod: dig(pod, "spec", "nodeName") or NONE, 1, "The node the pod is bound to."),
    Column("Nominated Node", str, lambda pod: dig(pod, "status", "nominatedNodeName") or NONE, 1,
           "The node on which room is being made for the pod."),
    Column("Readiness Gates", str, _gates, 1, "How many of the pod's readiness gates have passed."),
)  # fmt: skip
