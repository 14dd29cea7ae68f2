"""Carries out what has been planned for one pod; what fails is held back, ever longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from longboat.node import sync
from longboat.node.cri.interface import ContainerStatus
from longboat.node.errors import StartFailure
from longboat.node.make.fields import Surroundings
from longboat.node.pod_sight import Sight
from longboat.node.pod_volumes import PodVolumes
from longboat.node.recorder import NORMAL
from longboat.node.resize import Update
from longboat.node.resizer import ResizeFailure
from longboat.node.share import Share
from longboat.node.state import Observed, Waiting
from longboat.node.stop import Ending, grace_period
from longboat.node.sync import (
    RESIZE,
    SANDBOX,
    CreateSandbox,
    Hold,
    ResizePod,
    RestartAll,
    StartContainer,
    StopContainer,
)
from longboat.node.tools import Tools
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod
from longboat.node.volumes.image import Found

LONGEST_RETRY = 10.0  # seconds between attempts at a start
RESIZE_AGAIN = 10.0  # seconds until what failed is tried once more (kubelet)


class Place(Protocol):
    """The node, as somebody sees it who starts things there."""

    allocatable: Mapping[str, str]

    def start_slot(self) -> AbstractAsyncContextManager[None]:
        """A turn at starting something."""
        ...

    def report_host_ports(self) -> None:
        """The ports of some pod may have changed."""
        ...


class Actions:
    """Of one pod. `holds` say what is not to be tried again yet, by container."""

    def __init__(self, tools: Tools, place: Place, share: Share, sight: Sight) -> None:
        self._tools, self._place, self._share, self._sight = tools, place, share, sight
        self._volumes = PodVolumes(tools.volumes, tools.clock, tools.recorder)
        self.holds: dict[str, Hold] = {}
        self._failures: dict[str, int] = {}

    async def perform(self, actions: list[sync.Action]) -> None:
        """In order; what rests on something that fails is planned anew. Raises RuntimeFailure."""
        images: Found = {}
        for action in actions:
            try:
                match action:
                    case sync.StopPod():
                        await self.stop_everything(Ending(), lambda: None)
                    case sync.StopSandbox(sandbox):
                        await self._tools.runtime.stop_sandbox(sandbox.id)
                        await self._sight.look(anew=True)
                    case CreateSandbox(attempt):
                        await self._create_sandbox(attempt)
                    case StopContainer(status, message, why):
                        grace = grace_period(self._pod, why, self._pod.container(status.name))
                        host = self._sight.host(self._pod)
                        await self._tools.stopper.stop(self._pod, status, grace, message, host)
                        await self._sight.look(anew=True)
                    case RestartAll(containers, sources):
                        await self._remove(containers, sources)
                    case ResizePod(updates):
                        await self._resize(updates)
                    case StartContainer():
                        await self._start(action, images)
            except StartFailure as failure:
                name = action.container.name if isinstance(action, StartContainer) else SANDBOX
                self._hold(name, failure)
                await self._sight.look(anew=True)
                if name == SANDBOX:
                    return

    async def stop_everything(self, ending: Ending, one_ended: Callable[[], None]) -> None:
        """Containers in their order, all within one grace period, then the sandboxes. Raises RuntimeFailure."""
        pod, observed = self._pod, self._sight.observed
        left = ending.left(pod, self._tools.clock.monotonic())
        await self._tools.stopper.stop_all(pod, observed.running, left, self._sight.host(pod), one_ended)
        for sandbox in self._sight.observed.sandboxes:
            await self._tools.runtime.stop_sandbox(sandbox.id)
        await self._sight.look(anew=True)

    async def keep(self) -> None:
        """Write down what the pod has been given. Raises OSError."""
        await self._tools.checkpoints.keep(self._pod.uid, self._share.allocation)

    def refresh_soon(self) -> None:
        """What the volumes are made of has changed."""
        self._volumes.refresh_soon()

    def try_at_once(self) -> None:
        """What could not be started may start now."""
        self.holds.clear()
        self._failures.clear()

    async def refresh_volumes(self) -> float | None:
        """Let files follow what they come from. Seconds until it is to be done again; None for never."""
        if self._sight.observed.sandbox is None:
            return None
        return await self._volumes.refresh(self._pod, self._surroundings())

    @property
    def _pod(self) -> Pod:
        return self._share.pod

    def _surroundings(self) -> Surroundings:
        return self._sight.surroundings(self._pod, self._place.allocatable)

    def _now(self) -> float:
        return self._tools.clock.now().timestamp()

    def _hold(self, name: str, failure: StartFailure) -> None:
        """Wait before the next attempt, ever longer while it fails for want of something that may come any moment."""
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        wait = failure.retry
        if failure.grows:
            wait = min(wait * 2 ** min(failures - 1, 10), LONGEST_RETRY)
        self.holds[name] = Hold(Waiting(failure.reason, failure.message), self._now() + wait)

    async def _create_sandbox(self, attempt: int) -> None:
        pod, tools = self._pod, self._tools
        if attempt:
            tools.recorder.pod(pod, NORMAL, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        await self._volumes.set_up(pod, self._surroundings())
        self._share.adjusted()
        await self.keep()
        async with self._place.start_slot():
            id = await tools.launcher.create_sandbox(self._pod, attempt)
            await self._sight.with_sandbox(id, attempt, self._now())
        await tools.files.write_hosts(self._pod, self._sight.observed.network)
        self._place.report_host_ports()

    async def _start(self, action: StartContainer, images: Found) -> None:
        sandbox = self._sight.observed.sandbox
        if sandbox is None:
            return
        await self._tools.isolation.ensure(self._pod, sandbox.id)
        if self._volumes.places is None:
            await self._volumes.set_up(self._pod, self._surroundings())
        container, observed, now = action.container, self._sight.observed, self._now()
        last = observed.latest(container.name)
        if last is not None and last.state == "exited":
            self._tools.backoff.count(sync.backoff_key(self._pod, container), now)
        target = observed.latest(container.targetContainerName) if container.targetContainerName else None
        id = await self._tools.launcher.start(
            self._pod, action, sandbox.id, observed.network, self._volumes.places or {}, images, self._surroundings(),
            target.id if target else "", turn=self._place.start_slot,
        )  # fmt: skip
        self.holds.pop(container.name, None)
        self._failures.pop(container.name, None)
        if container.name in self._share.allocation.behind:
            self._share.caught_up(container.name)
            await self.keep()
        await self._sight.with_container(id, sandbox.id)

    async def _remove(self, containers: list[ContainerStatus], sources: list[Container]) -> None:
        """All of the pod start anew: remove what there is of it, but for its sandbox and volumes."""
        for container in sources:
            self._tools.backoff.count(sync.backoff_key(self._pod, container), self._now())
        await self._tools.launcher.remove(self._pod, containers)
        self._tools.observer.forget(Observed(containers=tuple(containers)))
        await self._sight.look(anew=True)

    async def _resize(self, updates: list[Update]) -> None:
        try:
            await self._tools.resizer.resize(self._pod, updates, self._share.caught_up)
            self._share.adjusted()
        except ResizeFailure as failure:
            self._share.fail(str(failure))
            self.holds[RESIZE] = Hold(Waiting(""), self._now() + RESIZE_AGAIN)
        finally:
            await self.keep()
        await self._sight.look(anew=True)
