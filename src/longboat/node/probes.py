"""Probes of all containers on the node: a task for each, and what they have found out."""

from __future__ import annotations

import asyncio
import logging
from asyncio import Task
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.node import handlers, probe_once
from longboat.node.cri.interface import ContainerStatus, Runtime
from longboat.node.recorder import WARNING, Recorder, field_of
from longboat.node.state import Observed, Verdict
from longboat.node.views.container import Container
from longboat.node.views.handlers import Probe
from longboat.node.views.pod import Pod

log = logging.getLogger(__name__)
LIVENESS, READINESS, STARTUP = "liveness", "readiness", "startup"
ATTEMPTS = 3  # at a probe that cannot be made at all, before it counts as failed


class Tally(msgspec.Struct):
    """Outcomes in a row of one probe. Pure."""

    passed: bool | None = None  # what holds; None until a threshold has been reached
    last: bool | None = None
    run: int = 0

    def count(self, success: bool, probe: Probe) -> bool:
        """Take in one outcome. True if what holds has changed."""
        self.run = self.run + 1 if success == self.last else 1
        self.last = success
        if self.run < (probe.successThreshold if success else probe.failureThreshold):
            return False
        changed, self.passed = self.passed != success, success
        return changed


class _Watched:
    """One probe of one container. `counts` are outcomes by result, of the container's earlier runs too."""

    def __init__(self, id: str, pod: Pod, counts: Counter[str] | None = None) -> None:
        self.id, self.pod, self.tally = id, pod, Tally()
        self.counts = Counter[str]() if counts is None else counts
        self.passed = asyncio.Event()
        self.task: Task[None] | None = None


class Probes:
    """One per agent. `changed(uid)` is called when a verdict on one of the pod's containers changes."""

    def __init__(self, runtime: Runtime, clock: Clock, recorder: Recorder, changed: Callable[[str], None]) -> None:
        self._handlers = handlers.of(runtime, clock)
        self._clock, self._recorder, self._changed = clock, recorder, changed
        self._watched: dict[str, dict[tuple[str, str], _Watched]] = {}  # by pod uid, then (container, kind)
        self._tasks = Tasks("probes")

    async def close(self) -> None:
        await self._tasks.close()

    def track(self, pod: Pod, observed: Observed, host: str, *, terminating: bool = False) -> None:
        """Probe what runs now, and only that. A pod that ends is only asked whether it is ready."""
        watched = self._watched.setdefault(pod.uid, {})
        wanted: dict[tuple[str, str], tuple[Container, Probe, ContainerStatus]] = {}
        for container in pod.all_containers:
            status = observed.latest(container.name)
            if status is not None and status.state == "running":
                for kind, probe in _probes(container):
                    if not terminating or kind == READINESS:
                        wanted[container.name, kind] = (container, probe, status)
        counts: dict[tuple[str, str], Counter[str]] = {}
        for key, one in list(watched.items()):
            if key not in wanted or wanted[key][2].id != one.id:
                counts[key] = one.counts
                self._stop(watched.pop(key))
        for key, (container, probe, status) in wanted.items():
            if key not in watched:
                one = watched[key] = _Watched(status.id, pod, counts.get(key))
                work = self._run(pod, container, probe, key[1], status, host, one)
                one.task = self._tasks.spawn(f"{key[1]}/{pod.metadata.name}/{container.name}", work)
        if not watched:
            del self._watched[pod.uid]

    def verdicts(self, pod: Pod, observed: Observed) -> dict[str, Verdict]:
        """By id of each running container. Without a probe a container is started and ready because it runs, unless
        the runtime knows better."""
        watched = self._watched.get(pod.uid, {})
        found = {}
        for container in pod.all_containers:
            status = observed.latest(container.name)
            if status is None or status.state != "running":
                continue
            passed = {
                kind: one.tally.passed
                for kind, _ in _probes(container)
                if (one := watched.get((container.name, kind))) is not None and one.id == status.id
            }
            started = bool(passed.get(STARTUP)) if container.startupProbe else True
            ready = bool(passed.get(READINESS)) if container.readinessProbe else status.ready
            failed = next((kind for kind in (STARTUP, LIVENESS) if passed.get(kind) is False), "")
            found[status.id] = Verdict(started=started, ready=started and ready, failed=failed)
        return found

    def outcomes(self) -> Iterator[tuple[Pod, str, str, str, int]]:
        """Pod, container, kind of probe, result and how often: of all that are probed now."""
        for watched in self._watched.values():
            for (container, kind), one in watched.items():
                for result, count in one.counts.items():
                    yield one.pod, container, kind, result, count

    def forget(self, uid: str) -> None:
        for one in self._watched.pop(uid, {}).values():
            self._stop(one)

    def _stop(self, one: _Watched) -> None:
        if one.task is not None:
            one.task.cancel()

    async def _run(
        self, pod: Pod, container: Container, probe: Probe, kind: str, status: ContainerStatus, host: str, one: _Watched
    ) -> None:
        """Until cancelled, or until a liveness or startup probe has failed for good, or a startup probe has passed."""
        if kind != STARTUP and container.startupProbe is not None:
            startup = self._watched[pod.uid].get((container.name, STARTUP))
            if startup is not None:
                await startup.passed.wait()
        running = self._clock.now().timestamp() - status.started
        await self._clock.sleep(max(probe.initialDelaySeconds - running, 0.0))
        while True:
            success = await self._attempt(pod, container, probe, kind, status, host, one.counts)
            if one.tally.count(success, probe):
                self._changed(pod.uid)
            if one.tally.passed:
                one.passed.set()
            if (kind == STARTUP and one.tally.passed is not None) or (kind == LIVENESS and one.tally.passed is False):
                return
            await self._clock.sleep(float(probe.periodSeconds or 10))

    async def _attempt(
        self, pod: Pod, container: Container, probe: Probe, kind: str, status: ContainerStatus, host: str,
        counts: Counter[str],
    ) -> bool:  # fmt: skip
        for _ in range(ATTEMPTS):
            outcome = await self._handlers.probe(kind, probe, container, status.id, host)
            if outcome.result != probe_once.ERROR:
                break
        if outcome.result != probe_once.ERROR:  # which says nothing of the container
            counts["failed" if outcome.result == probe_once.FAILURE else "successful"] += 1
        title, where = kind.capitalize(), field_of(pod, container)
        if outcome.result == probe_once.FAILURE:
            self._recorder.pod(pod, WARNING, "Unhealthy", f"{title} probe failed: {outcome.words}", where)
        elif outcome.result == probe_once.ERROR:
            words = f"{title} probe errored and resulted in unknown state: {outcome.words}"
            self._recorder.pod(pod, WARNING, "Unhealthy", words, where)
        elif outcome.result == probe_once.WARNING:
            self._recorder.pod(pod, WARNING, "ProbeWarning", f"{title} probe warning: {outcome.words}", where)
        return outcome.result in (probe_once.SUCCESS, probe_once.WARNING)


def _probes(container: Container) -> Iterator[tuple[str, Probe]]:
    named = (
        (STARTUP, container.startupProbe),
        (LIVENESS, container.livenessProbe),
        (READINESS, container.readinessProbe),
    )
    for kind, probe in named:
        if probe is not None:
            yield kind, probe
