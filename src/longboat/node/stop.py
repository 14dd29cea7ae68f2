"""Ends containers: preStop hook, their turn, then a request to end, then force."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

import msgspec

from longboat.aio.clock import Clock
from longboat.node import handlers, hooks, labels
from longboat.node.cri.interface import ContainerStatus, Runtime
from longboat.node.recorder import NORMAL, WARNING, Recorder, field_of
from longboat.node.views.container import Container
from longboat.node.views.handlers import Lifecycle, LifecycleHandler
from longboat.node.views.pod import Pod

log = logging.getLogger(__name__)
LEAST_GRACE = 2.0  # seconds a container gets even if hooks and those before it took all there was (kubelet)
AT_ONCE = 1.0  # seconds of grace where there is no time: evictions, forced deletions; never less (kubelet)


class Stopper:
    """One per agent."""

    def __init__(self, runtime: Runtime, clock: Clock, recorder: Recorder) -> None:
        self._runtime, self._clock, self._recorder = runtime, clock, recorder
        self._handlers = handlers.of(runtime, clock)

    async def stop(self, pod: Pod, status: ContainerStatus, grace: float, message: str = "", host: str = "") -> None:
        """Returns when it has ended. Raises RuntimeFailure."""
        await self._stop(pod, status, grace, message, host, ())

    async def stop_all(
        self, pod: Pod, running: list[ContainerStatus], grace: float, host: str, ended: Callable[[], object]
    ) -> None:
        """End these in their order within `grace` seconds, and those that are left then at once; `ended` is called
        after each. Returns when all have ended. Raises RuntimeFailure, and leaves the others to the next attempt."""
        earlier = waits_for(pod, [status.name for status in running])
        ends = {status.id: asyncio.Event() for status in running}

        async def end(status: ContainerStatus) -> None:
            before = [ends[other.id] for other in running if other.name in earlier[status.name]]
            await self._stop(pod, status, grace, "", host, before)
            ends[status.id].set()
            ended()

        try:
            async with asyncio.TaskGroup() as group:
                for status in running:
                    group.create_task(end(status))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _stop(
        self, pod: Pod, status: ContainerStatus, grace: float, message: str, host: str, before: Iterable[asyncio.Event]
    ) -> None:
        """Hook and wait both count against the grace period, as the kubelet has it."""
        container = pod.container(status.name) or Container(name=status.name)
        self._tell(pod, container, NORMAL, "Killing", message or f"Stopping container {status.name}")
        until = self._clock.monotonic() + grace
        hook = _pre_stop(container, status)
        if hook is not None and grace > 0 and status.state == "running":
            try:
                await self._handlers.hook(hook, container, status.id, host, grace)
            except hooks.HookFailure as failure:
                self._tell(pod, container, WARNING, "FailedPreStopHook", f"PreStopHook failed: {failure}")
        try:
            async with self._clock.timeout(max(until - self._clock.monotonic(), 0)):
                for event in before:
                    await event.wait()
        except TimeoutError:
            log.debug("container %s of %s has waited long enough for its turn to end", status.name, pod)
        await self._runtime.stop_container(status.id, max(until - self._clock.monotonic(), LEAST_GRACE))

    def _tell(self, pod: Pod, container: Container, kind: str, reason: str, message: str) -> None:
        self._recorder.pod(pod, kind, reason, message, field_of(pod, container))


class Ending:
    """How long one pod still has to end. Its grace period only gets shorter, and another attempt gets no other one."""

    def __init__(self) -> None:
        self._asked: float | None = None  # by the node itself
        self._grace: float | None = None
        self._since = 0.0

    def hasten(self, grace: float) -> None:
        """The node wants the pod gone in so many seconds, whatever others grant it."""
        self._asked = grace if self._asked is None else min(self._asked, grace)

    def left(self, pod: Pod, now: float) -> float:
        """Seconds from `now` (monotonic) on; the first call begins the period, and so does one that is shorter."""
        wanted = grace_period(pod)
        if self._asked is not None:
            wanted = self._asked if pod.metadata.deletionGracePeriodSeconds is None else min(self._asked, wanted)
        wanted = max(wanted, AT_ONCE)
        if self._grace is None or wanted < self._grace:
            self._grace, self._since = wanted, now
        return max(self._since + self._grace - now, 0.0)


def waits_for(pod: Pod, running: Iterable[str]) -> Mapping[str, set[str]]:
    """For each running container, those whose end comes before its own: sidecars outlive all ordinary containers and
    the sidecars after them (KEP-753). Pure."""
    names = set(running)
    found: dict[str, set[str]] = {name: set() for name in names}
    later = {container.name for container in pod.spec.containers} & names
    for container in reversed(pod.spec.initContainers):
        if container.is_sidecar and container.name in names:
            found[container.name] = set(later)
            later.add(container.name)
    return found


def _pre_stop(container: Container, status: ContainerStatus) -> LifecycleHandler | None:
    """The hook the container was started with."""
    text = status.annotations.get(labels.PRE_STOP)
    if text:
        try:
            return msgspec.json.decode(text, type=LifecycleHandler)
        except msgspec.MsgspecError:
            log.warning("the preStop hook noted on container %s cannot be read", status.id)
    return (container.lifecycle or Lifecycle()).preStop


def grace_period(pod: Pod, why: str = "", container: Container | None = None) -> float:
    """Seconds a container of this pod has to end: the deletion's, the failed probe's, or the pod's own."""
    if pod.metadata.deletionGracePeriodSeconds is not None:
        return float(pod.metadata.deletionGracePeriodSeconds)
    if container is not None:
        probe = {"liveness": container.livenessProbe, "startup": container.startupProbe}.get(why)
        if probe is not None and probe.terminationGracePeriodSeconds is not None:
            return float(probe.terminationGracePeriodSeconds)
    return float(pod.spec.terminationGracePeriodSeconds)
