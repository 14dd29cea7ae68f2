"""Ends containers: preStop hook, then a request to end, then force."""

from __future__ import annotations

import logging

import msgspec

from longboat.aio.clock import Clock
from longboat.node import hooks, labels
from longboat.node.cri.interface import ContainerStatus, Runtime
from longboat.node.recorder import NORMAL, WARNING, Recorder, field_of
from longboat.node.views.container import Container
from longboat.node.views.handlers import Lifecycle, LifecycleHandler
from longboat.node.views.pod import Pod

log = logging.getLogger(__name__)
LEAST_GRACE = 2.0  # seconds a container gets even if its hook took all there was (kubelet)


class Stopper:
    """One per agent."""

    def __init__(self, runtime: Runtime, clock: Clock, recorder: Recorder) -> None:
        self._runtime, self._clock, self._recorder = runtime, clock, recorder

    async def stop(self, pod: Pod, status: ContainerStatus, grace: float, message: str = "", host: str = "") -> None:
        """Returns when it has ended. Raises RuntimeFailure."""
        container = pod.container(status.name) or Container(name=status.name)
        self._tell(pod, container, NORMAL, "Killing", message or f"Stopping container {status.name}")
        hook = _pre_stop(container, status)
        if hook is not None and grace > 0 and status.state == "running":
            began = self._clock.monotonic()
            try:
                await hooks.run(self._runtime, self._clock, hook, container, status.id, host, grace)
            except hooks.HookFailure as failure:
                self._tell(pod, container, WARNING, "FailedPreStopHook", f"PreStopHook failed: {failure}")
            grace = max(grace - (self._clock.monotonic() - began), LEAST_GRACE)
        await self._runtime.stop_container(status.id, grace)

    def _tell(self, pod: Pod, container: Container, kind: str, reason: str, message: str) -> None:
        self._recorder.pod(pod, kind, reason, message, field_of(pod, container))


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
