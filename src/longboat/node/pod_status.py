"""The status of a pod, from what is known of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from longboat.api.resources import Resources
from longboat.machinery.objects import Object, timestamp
from longboat.node import in_force, resize, restarts
from longboat.node.cri.interface import ContainerStatus
from longboat.node.make import cgroups
from longboat.node.state import Observed, Verdict, Verdicts, Waiting
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"
UNKNOWN_EXIT = 137
DISRUPTED = "DisruptionTarget"


class Knowledge(msgspec.Struct, frozen=True, kw_only=True):
    """All that the status is made from. `messages` are termination messages by container id."""

    observed: Observed = Observed()
    verdicts: Verdicts = {}
    waiting: Mapping[str, Waiting] = {}
    messages: Mapping[str, str] = {}
    host_ips: tuple[str, ...] = ()
    runtime: str = "containerd"
    failed: Waiting | None = None  # the pod as a whole has failed, and why (DeadlineExceeded…)
    disrupted: str = ""  # the node ended it for others' sake: what the condition DisruptionTarget says
    ended: bool = False  # nothing of it will run again
    restarting: bool = False  # all containers are being removed, to start anew
    before: Object = {}  # the status made last, which the API may not have shown us yet
    resizing: Sequence[Object] = ()  # conditions that tell of a resize
    behind: Mapping[str, Resources] = {}  # what containers were set up with, where that is not what was given


def status(pod: Pod, known: Knowledge, now: datetime) -> Object:
    """status as it is to be written: everything that is the node's to say."""
    spec = pod.spec
    inits = [_container(pod, c, known, is_init=True) for c in spec.initContainers]
    containers = [_container(pod, c, known, is_init=False) for c in spec.containers]
    # Not before all have stopped: whoever replaces it counts on that.
    if known.failed is not None and any("running" in each["state"] for each in (*inits, *containers)):
        known = msgspec.structs.replace(known, failed=None)
    phase = _phase(pod, inits, containers, known)
    made: Object = {
        "observedGeneration": pod.metadata.generation,
        "phase": phase,
        "conditions": _conditions(pod, phase, inits, containers, known, now),
        "hostIP": next(iter(known.host_ips), ""),
        "hostIPs": [{"ip": ip} for ip in known.host_ips],
        "startTime": pod.status.startTime or known.before.get("startTime") or timestamp(now),
        "qosClass": cgroups.qos(pod),
    }
    if known.failed is not None:
        made["reason"], made["message"] = known.failed.reason, known.failed.message
    ips = known.host_ips if spec.hostNetwork and known.observed.sandboxes else known.observed.network.ips
    if ips and not (known.ended and not known.observed.sandbox and phase == PENDING):
        made["podIP"], made["podIPs"] = ips[0], [{"ip": ip} for ip in ips]
    if pod.spec.resources is not None:
        made["resources"] = resize.shown(pod.spec.resources)
        made["allocatedResources"] = pod.spec.resources.requests
    if _is_refused(pod, known):
        return made
    for field, listed in (("initContainerStatuses", inits), ("containerStatuses", containers)):
        if listed:
            made[field] = listed
    if spec.ephemeralContainers:
        made["ephemeralContainerStatuses"] = [
            _container(pod, c, known, is_init=False) for c in spec.ephemeralContainers
        ]
    return made


def _is_refused(pod: Pod, known: Knowledge) -> bool:
    """Whether it failed before anything of it was reported, let alone run."""
    reported = pod.status.containerStatuses or known.before.get("containerStatuses")
    return (known.failed is not None or pod.is_finished) and not reported and not known.observed.containers


def _container(pod: Pod, container: Container, known: Knowledge, *, is_init: bool) -> Object:
    last, before = known.observed.latest(container.name), known.observed.previous(container.name)
    record = _on_record(pod, known, container.name)
    verdict = known.verdicts.get(last.id, Verdict()) if last is not None else Verdict()
    made: Object = {"name": container.name, "image": container.image, "imageID": "", "restartCount": 0}
    made |= {"state": {}, "lastState": {}, "ready": False, "started": False}
    if last is not None:
        made["image"] = last.image or container.image
        made["imageID"] = last.image_ref
        made["containerID"] = f"{known.runtime}://{last.id}"
        made["restartCount"] = last.attempt
    elif record:
        for field in ("restartCount", "imageID", "containerID"):
            if field in record:
                made[field] = record[field]
    made["state"] = _state(pod, container, last, known, record, is_init=is_init)
    if last is None and _was_removed(pod, known, record):
        made.pop("containerID", None)
        made |= _removed(record)
    elif last is not None and last.state == "exited" and "waiting" in made["state"]:
        made["lastState"] = {"terminated": _terminated(last, known)}
    elif before is not None and before.state == "exited":
        made["lastState"] = {"terminated": _terminated(before, known)}
    elif record.get("lastState"):
        made["lastState"] = record["lastState"]
    elif last is None and "waiting" in made["state"] and "terminated" in record.get("state", {}):
        made["lastState"] = record["state"]
    if "running" in made["state"]:
        made["started"], made["ready"] = verdict.started, verdict.ready
    if is_init and not container.is_sidecar:
        ended = made["state"].get("terminated")
        made["ready"] = ended is not None and ended["exitCode"] == 0
        made["started"] = "running" in made["state"]
    if container.volumeMounts:
        made["volumeMounts"] = [_mount_status(m.name, m.mountPath, m.readOnly) for m in container.volumeMounts]
    made["resources"] = resize.shown(in_force.of(container, last, known.behind))
    if container.resources.requests:
        made["allocatedResources"] = container.resources.requests
    return made


def _was_removed(pod: Pod, known: Knowledge, record: Object) -> bool:
    """Whether a container has gone because all of the pod start anew, and this is the first to tell of it."""
    if known.ended or not restarts.is_restarting(pod, known.before):
        return False
    return bool(record) and "waiting" not in record.get("state", {})


def _removed(record: Object) -> Object:
    told = {"reason": restarts.REMOVED, "message": restarts.REMOVED_MESSAGE}
    ended = {**told, "exitCode": restarts.KILLED, "startedAt": None, "finishedAt": None}
    return {
        "restartCount": record.get("restartCount", 0) + 1,
        "imageID": "",
        "state": {"waiting": told},
        "lastState": {"terminated": ended},
    }


def _mount_status(name: str, path: str, read_only: bool) -> Object:
    made: Object = {"name": name, "mountPath": path}
    if read_only:
        made |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
    return made


def _state(
    pod: Pod, container: Container, last: ContainerStatus | None, known: Knowledge, record: Object, *, is_init: bool
) -> Object:
    waiting = known.waiting.get(container.name)
    if last is not None and last.state == "running":
        return {"running": {"startedAt": moment(last.started)}}
    if last is not None and last.state == "exited" and waiting is None:
        return {"terminated": _terminated(last, known)}
    if known.ended:
        if last is not None and last.state == "exited":
            return {"terminated": _terminated(last, known)}
        if "terminated" in record.get("state", {}):
            return dict(record["state"])
        if record.get("containerID"):
            return {"terminated": _lost(record)}
        reason = "PodInitializing" if pod.spec.initContainers and not is_init else "ContainerCreating"
        return {"waiting": {"reason": reason}}
    if waiting is not None:
        shown = {"reason": waiting.reason, "message": waiting.message}
        return {"waiting": {field: text for field, text in shown.items() if text}}
    waits_for_init = pod.spec.initContainers and not (is_init and container is pod.spec.initContainers[0])
    return {"waiting": {"reason": "PodInitializing" if waits_for_init else "ContainerCreating"}}


def _lost(record: Object) -> Object:
    """Of a container that ran and that the runtime no longer knows."""
    return {
        "exitCode": UNKNOWN_EXIT,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was terminated",
        "startedAt": None,
        "finishedAt": None,
        "containerID": record.get("containerID", ""),
    }


def _terminated(status: ContainerStatus, known: Knowledge) -> Object:
    made: Object = {
        "exitCode": status.exit_code,
        "reason": status.reason or ("Completed" if status.exit_code == 0 else "Error"),
        "startedAt": moment(status.started),
        "finishedAt": moment(status.finished),
        "containerID": f"{known.runtime}://{status.id}",
    }
    if message := known.messages.get(status.id) or status.message:
        made["message"] = message
    return made


def moment(seconds: float) -> str | None:
    """RFC 3339 of seconds since the epoch; null for never."""
    return timestamp(datetime.fromtimestamp(seconds, UTC)) if seconds > 0 else None


def _on_record(pod: Pod, known: Knowledge, name: str) -> Object:
    """What was last said of this container."""
    return next((found for found in restarts.recorded(pod, known.before) if found.get("name") == name), {})


def _phase(pod: Pod, inits: list[Object], containers: list[Object], known: Knowledge) -> str:
    """The kubelet's rules. A phase that ends a pod is never left again."""
    if pod.status.phase in (SUCCEEDED, FAILED):
        return pod.status.phase
    if known.failed is not None:
        return FAILED
    sidecars = {c.name for c in pod.spec.initContainers if c.is_sidecar}
    initializing = _initializing(pod, inits)
    if initializing == FAILED:
        return FAILED
    states = [c["state"] for c in containers]
    running = sum("running" in s for s in states)
    ended = [s["terminated"] for s in states if "terminated" in s]
    again = sum("waiting" in c["state"] and _ran_before(c, bool(initializing)) for c in containers)
    waiting = len(states) - running - len(ended) - again
    sidecars_running = any("running" in s["state"] for s in inits if s["name"] in sidecars)
    if (initializing and not (running or ended or again)) or waiting:
        return PENDING
    if running or (sidecars_running and known.observed.sandbox and not known.ended):
        return RUNNING
    if again or (not known.ended and any(map(partial(_runs_again, pod), pod.spec.containers, states))):
        return RUNNING
    return SUCCEEDED if ended and all(s["exitCode"] == 0 for s in ended) else FAILED


def _ran_before(shown: Object, initializing: bool) -> bool:
    """Whether a container that waits has run in this life of its pod: init containers may begin another."""
    last = shown["lastState"].get("terminated")
    return bool(last) and not (initializing and last.get("reason") == restarts.REMOVED)


def _runs_again(pod: Pod, container: Container, state: Object) -> bool:
    ended = state.get("terminated")
    return ended is not None and restarts.again(pod, container, ended["exitCode"])


def _initializing(pod: Pod, inits: list[Object]) -> str:
    """ "Pending" while init containers have work to do, "Failed" where one never can, else ""."""
    pending = ""
    for container, one in zip(pod.spec.initContainers, inits, strict=True):
        if container.is_sidecar:
            if not one["started"] and "terminated" not in one["state"]:
                pending = PENDING
            continue
        ended = one["state"].get("terminated")
        if ended is None:
            pending = PENDING
        elif ended["exitCode"] != 0:
            if not restarts.again(pod, container, ended["exitCode"]):
                return FAILED
            pending = PENDING
    return pending


def _conditions(
    pod: Pod, phase: str, inits: list[Object], containers: list[Object], known: Knowledge, now: datetime
) -> list[Object]:
    sidecars = {c.name for c in pod.spec.initContainers if c.is_sidecar}
    done = phase == SUCCEEDED
    over = phase in (SUCCEEDED, FAILED)
    counted = [*containers, *(s for s in inits if s["name"] in sidecars)]
    unready = [s["name"] for s in counted if not s["ready"]]
    uninitialized = [s["name"] for s in inits if not (s["started"] if s["name"] in sidecars else s["ready"])]
    begun = any("waiting" not in s["state"] or s["lastState"] for s in containers)
    has_sandbox = known.observed.sandbox is not None and bool(known.observed.network.ips or pod.spec.hostNetwork)
    listed = [
        *known.resizing,
        _condition("PodReadyToStartContainers", has_sandbox),
        _initialized(uninitialized if not (begun or done) else [], done and bool(inits)),
    ]
    ready = _ready("ContainersReady", unready, over, done)
    listed.append(_gated(pod, ready))
    listed.append(ready)
    listed.append(_condition("PodScheduled", True))
    if known.disrupted and known.failed is not None:
        listed.append(_condition(DISRUPTED, True, "TerminationByKubelet", known.disrupted))
    if restarts.may_restart_all(pod):
        listed.append(_restarting(known.restarting, over, done))
    since = {(c.type, c.status): c.lastTransitionTime for c in pod.status.conditions if c.lastTransitionTime}
    since |= {(c["type"], c["status"]): c["lastTransitionTime"] for c in known.before.get("conditions", ())}
    listed = [dict(condition) for condition in listed]
    for condition in listed:
        condition["lastProbeTime"] = None
        condition["lastTransitionTime"] = since.get((condition["type"], condition["status"])) or timestamp(now)
        condition.setdefault("observedGeneration", pod.metadata.generation)
    return listed


def _condition(name: str, is_true: bool, reason: str = "", message: str = "") -> Object:
    made: dict[str, Any] = {"type": name, "status": "True" if is_true else "False"}
    # Null takes away what an earlier patch has set.
    return made | {"reason": reason or None, "message": message or None}


def _initialized(unready: list[str], completed: bool) -> Object:
    if completed:
        return _condition("Initialized", True, "PodCompleted")
    if not unready:
        return _condition("Initialized", True)
    return _condition(
        "Initialized", False, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(unready)}]"
    )


def _restarting(restarting: bool, over: bool, succeeded: bool) -> Object:
    if over:
        return _condition(restarts.CONDITION, False, "PodCompleted" if succeeded else "PodFailed")
    if restarting:
        return _condition(restarts.CONDITION, True, restarts.STARTED, restarts.MESSAGE)
    return _condition(restarts.CONDITION, False)


def _ready(name: str, unready: list[str], over: bool, succeeded: bool) -> Object:
    if over:
        return _condition(name, False, "PodCompleted" if succeeded else "PodFailed")
    if unready:
        return _condition(name, False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    return _condition(name, True)


def _gated(pod: Pod, containers_ready: Object) -> Object:
    """Ready: the containers are, and all readiness gates are open."""
    if containers_ready["status"] != "True":
        return {**containers_ready, "type": "Ready"}
    found = {c.type: c.status for c in pod.status.conditions}
    shut = []
    for gate in pod.spec.readinessGates:
        status = found.get(gate.conditionType)
        if status is None:
            shut.append(f'corresponding condition of pod readiness gate "{gate.conditionType}" does not exist.')
        elif status != "True":
            shut.append(f'the status of pod readiness gate "{gate.conditionType}" is not "True", but {status}')
    if shut:
        return _condition("Ready", False, "ReadinessGatesNotReady", ", ".join(shut))
    return _condition("Ready", True)
