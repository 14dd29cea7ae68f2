"""What to do next for a pod. Pure: the same inputs give the same actions.

The rules are the kubelet's: init containers one after another, sidecars from their turn on, then all others; what has
ended is started again as the restart policy says, after a wait that doubles.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from longboat.aio.backoffs import BackOff
from longboat.api.restarts import ALWAYS
from longboat.machinery.objects import Object
from longboat.node import labels, resize, restarts
from longboat.node.allocation import Allocation
from longboat.node.cri.interface import ContainerStatus, Sandbox
from longboat.node.resize import Update
from longboat.node.state import Observed, Verdict, Verdicts, Waiting
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod

NOTHING_BEHIND = Allocation()


class StopPod(msgspec.Struct, frozen=True):
    """Stop every container and sandbox; another sandbox may follow."""


class StopSandbox(msgspec.Struct, frozen=True):
    """An old one that lingers, or that of a pod whose containers have all ended."""

    sandbox: Sandbox


class CreateSandbox(msgspec.Struct, frozen=True):
    attempt: int


class StopContainer(msgspec.Struct, frozen=True):
    """`why` is "", "liveness" or "startup"; `message` goes into the Event."""

    status: ContainerStatus
    message: str
    why: str = ""


class StartContainer(msgspec.Struct, frozen=True):
    container: Container
    attempt: int


class RestartAll(msgspec.Struct, frozen=True):
    """Kill these containers at once and remove them, in this order: all of the pod start anew in their sandbox."""

    containers: list[ContainerStatus]
    sources: list[Container]


class ResizePod(msgspec.Struct, frozen=True):
    """Set the pod's cgroup and running containers to what they have been given."""

    updates: list[Update]


Action = StopPod | StopSandbox | CreateSandbox | StopContainer | RestartAll | ResizePod | StartContainer


class Plan(msgspec.Struct, frozen=True):
    """Actions to carry out now, in order; why other containers wait; seconds until there may be more to do; whether
    all containers are about to be removed."""

    actions: list[Action] = []
    waiting: dict[str, Waiting] = {}
    wake: float | None = None
    restarting: bool = False


class Hold(msgspec.Struct, frozen=True):
    """A start that failed: why, and when to try again (seconds since the epoch)."""

    waiting: Waiting
    until: float


SANDBOX, RESIZE = "", "/resize"  # the names under which holds are kept that are not a container's


def plan(
    pod: Pod,
    observed: Observed,
    verdicts: Verdicts,
    backoff: BackOff,
    holds: Mapping[str, Hold],
    now: float,
    allocation: Allocation = NOTHING_BEHIND,
    before: Object | None = None,
) -> Plan:
    """For a pod that is to run (not one that is being deleted or has finished), asking for what it has been given.
    `holds` are by container name; `before` is the status made last."""
    return _Planner(pod, observed, verdicts, backoff, holds, now, allocation, before or {}).plan()


def backoff_key(pod: Pod, container: Container) -> str:
    return f"{pod.uid}/{container.name}/{labels.spec_hash(container)}"


class _Planner:
    def __init__(
        self,
        pod: Pod,
        observed: Observed,
        verdicts: Verdicts,
        backoff: BackOff,
        holds: Mapping[str, Hold],
        now: float,
        allocation: Allocation,
        before: Object,
    ) -> None:
        self.pod, self.observed, self.verdicts = pod, observed, verdicts
        self.backoff, self.holds, self.now, self.before = backoff, holds, now, before
        self.actions: list[Action] = []
        self.waiting: dict[str, Waiting] = {}
        self.wake: float | None = None
        self.allocation, self.updates = allocation, list[Update]()
        self.may_resize = not self._held(RESIZE)

    def plan(self) -> Plan:
        spec, sandbox = self.pod.spec, self.observed.sandbox
        if sandbox is None or not (self.observed.network.ips or spec.hostNetwork):
            return self._new_sandbox()
        if (left := self._to_remove()) is not None:
            return Plan([left], restarting=True)
        self.actions += [StopSandbox(old) for old in self.observed.sandboxes[1:] if old.ready]
        if self._initialize(sandbox):
            self._run_containers(sandbox)
        self._resize_pod()
        return Plan(self.actions, self.waiting, self.wake)

    def _to_remove(self) -> RestartAll | None:
        """Where all containers start anew, those of them that are still there. A container that demands it time and
        again is heeded ever later, as one is that crashes."""
        if not restarts.may_restart_all(self.pod):
            return None
        found = restarts.sources(self.pod, self.observed)
        due = any(not self._backed_off(container, status) for container, status in found)
        left = restarts.remains(self.pod, self.observed)
        if left and (due or restarts.is_restarting(self.pod, self.before)):
            return RestartAll(left, [container for container, _ in found])
        return None

    def _backed_off(self, container: Container, last: ContainerStatus) -> float:
        return self.backoff.remaining(backoff_key(self.pod, container), last.finished, self.now)

    def _new_sandbox(self) -> Plan:
        """There is none, or it has died: everything in it starts anew, if anything still has to run."""
        last = self.observed.sandboxes[0] if self.observed.sandboxes else None
        if not self._has_work():
            self.actions += [StopSandbox(old) for old in self.observed.sandboxes if old.ready]
            return Plan(self.actions)
        if self.observed.running or any(sandbox.ready for sandbox in self.observed.sandboxes):
            self.actions.append(StopPod())
        if self._held(SANDBOX):
            return Plan(self.actions, self.waiting, self.wake)
        self.actions.append(CreateSandbox(last.attempt + 1 if last else 0))
        return Plan(self.actions)

    def _has_work(self) -> bool:
        """Whether any container has yet to run to its end."""
        begun = bool(self.observed.containers) or has_run(self.pod)
        for container in self.pod.spec.containers:
            last = self.observed.latest(container.name)
            if last is not None and last.state in ("running", "exited"):
                code = last.exit_code if last.state == "exited" else restarts.KILLED  # it ends with its sandbox
                if restarts.again(self.pod, container, code):
                    return True
            elif not (begun and restarts.never(self.pod, container)):
                return True
        return False

    def _wants_to_run(self, container: Container, last: ContainerStatus | None) -> bool:
        if last is None or last.state != "exited":
            return True
        return restarts.again(self.pod, container, last.exit_code)

    def _initialize(self, sandbox: Sandbox) -> bool:
        """One step of the init containers; True once the others may start."""
        running_already = any(self._current(c.name, sandbox) for c in self.pod.spec.containers)
        if running_already and self._all_ended(sandbox):
            return True
        for container in self.pod.spec.initContainers:
            status = self._current(container.name, sandbox)
            if container.is_sidecar:
                if not self._keep_sidecar(container, status, gate=not running_already):
                    return False
            elif not running_already and not self._init_is_done(container, status):
                return False
        return True

    def _keep_sidecar(self, container: Container, status: ContainerStatus | None, *, gate: bool) -> bool:
        """True where what comes after it may start."""
        if status is None or status.state == "exited":
            self._start(container)
            return not gate
        if status.state != "running":
            return not gate
        verdict = self.verdicts.get(status.id, Verdict())
        if self._replace(container, status, verdict):
            return not gate
        return not gate or verdict.started

    def _init_is_done(self, container: Container, status: ContainerStatus | None) -> bool:
        if status is None:
            self._start(container)
            return False
        if status.state == "running":
            self._resize(container, status)
        elif status.state == "exited":
            if status.exit_code == 0:
                return True
            if restarts.again(self.pod, container, status.exit_code):
                self._start(container)
            return False
        elif status.state == "unknown":
            self.actions.append(StopContainer(status, f"Init container is in {status.state!r} state, try killing it"))
        elif status.state == "created":
            self._start(container)
        return False

    def _run_containers(self, sandbox: Sandbox) -> None:
        for container in self.pod.spec.ephemeralContainers:
            if self.observed.latest(container.name) is None and not self._held(container.name):
                self.actions.append(StartContainer(container, 0))
        for container in self.pod.spec.containers:
            status = self._current(container.name, sandbox)
            if status is None or status.state == "created":
                if self._wants_to_run(container, self.observed.latest(container.name)):
                    self._start(container)
            elif status.state == "exited":
                if self._wants_to_run(container, status):
                    self._start(container)
            elif status.state == "unknown":
                self.actions.append(
                    StopContainer(status, f"Container is in {status.state!r} state, try killing it before restart it")
                )
            else:
                self._replace(container, status, self.verdicts.get(status.id, Verdict()))
        if self._all_ended(sandbox) and not self.actions:
            self.actions.append(StopPod() if self.observed.running else StopSandbox(sandbox))

    def _all_ended(self, sandbox: Sandbox) -> bool:
        """Every ordinary container has ended and none will run again."""
        for container in self.pod.spec.containers:
            last = self.observed.latest(container.name)
            if last is None or last.state != "exited" or self._wants_to_run(container, last):
                return False
        return bool(self.pod.spec.containers)

    def _replace(self, container: Container, status: ContainerStatus, verdict: Verdict) -> bool:
        """Stop a running container that must not go on. It starts anew once it has ended; at once where that would
        not be seen from its exit code, or where the policy does not count, for it is another container (kubelet)."""
        other = False
        if status.annotations.get(labels.HASH, labels.spec_hash(container)) != labels.spec_hash(container):
            message, other = f"Container {container.name} definition changed", True
        elif verdict.failed:
            message = f"Container {container.name} failed {verdict.failed} probe"
        else:
            return self._resize(container, status)
        goes_on = other or not restarts.never(self.pod, container)
        message += ", will be restarted" if goes_on else ""
        self.actions.append(StopContainer(status, message, verdict.failed))
        if goes_on and restarts.policy(self.pod, container) != ALWAYS:
            self.actions.append(StartContainer(container, status.attempt + 1))
        return True

    def _resize(self, container: Container, status: ContainerStatus) -> bool:
        """Let a running container follow what it has been given; True where it is started anew for that."""
        before = self.allocation.of(container)
        if not self.may_resize or not resize.changed(container, before):
            return False
        if not resize.needs_restart(container, before):
            self.updates.append(Update(container, status.id, before))
            return False
        self.actions.append(StopContainer(status, f"Container {container.name} resize requires restart"))
        self.actions.append(StartContainer(container, status.attempt + 1))
        return True

    def _resize_pod(self) -> None:
        """The pod as a whole, once those have ended that are to be restarted and before anything starts."""
        if not self.may_resize or not (self.updates or self.allocation.pod_behind):
            return
        starts = [action for action in self.actions if isinstance(action, StartContainer)]
        others = [action for action in self.actions if not isinstance(action, StartContainer)]
        self.actions = [*others, ResizePod(self.updates), *starts]

    def _start(self, container: Container) -> None:
        """Start a container, or say how long it has to wait."""
        last = self.observed.latest(container.name)
        attempt = last.attempt + 1 if last else restarts.attempts_on_record(self.pod, self.before, container.name)
        if last is not None and last.state == "exited":
            key = backoff_key(self.pod, container)
            if remaining := self._backed_off(container, last):
                delay = duration(self.backoff.delay(key))
                self.waiting[container.name] = Waiting(
                    "CrashLoopBackOff",
                    f"back-off {delay} restarting failed container={container.name} pod={self.pod}",
                )
                self._wake_in(remaining)
                return
        if not self._held(container.name):
            self.actions.append(StartContainer(container, attempt))

    def _held(self, name: str) -> bool:
        """Whether the last attempt failed too short a time ago."""
        hold = self.holds.get(name)
        if hold is None or hold.until <= self.now:
            return False
        if name not in (SANDBOX, RESIZE):
            self.waiting[name] = hold.waiting
        self._wake_in(hold.until - self.now)
        return True

    def _wake_in(self, seconds: float) -> None:
        self.wake = seconds if self.wake is None else min(self.wake, seconds)

    def _current(self, name: str, sandbox: Sandbox) -> ContainerStatus | None:
        """The latest container of this name, if it is in this sandbox."""
        latest = self.observed.latest(name)
        return latest if latest is not None and latest.sandbox == sandbox.id else None


def has_run(pod: Pod) -> bool:
    """Whether the API knows of a container of this pod that was started."""
    return any(status.get("containerID") for status in pod.status.containerStatuses)


def duration(seconds: float) -> str:
    """As Go prints durations: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
