"""One pod's worker: brings it up, keeps it as it should be, and takes it down. Never two at work on the same pod."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from longboat.machinery.objects import Object, parse_timestamp
from longboat.node import pod_status, sync
from longboat.node.cri.interface import ContainerStatus
from longboat.node.errors import StartFailure
from longboat.node.eviction.admit import EVICTED
from longboat.node.make.fields import Surroundings
from longboat.node.pod_status import Knowledge
from longboat.node.pod_volumes import PodVolumes
from longboat.node.recorder import NORMAL
from longboat.node.resize import Update
from longboat.node.resizer import ResizeFailure
from longboat.node.share import Share
from longboat.node.state import Observed, Verdict, Waiting
from longboat.node.stop import AT_ONCE, Ending, grace_period
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
from longboat.node.termination import LastWords
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod
from longboat.node.volumes.image import Found

if TYPE_CHECKING:
    from longboat.node.pod_workers import PodWorkers

log = logging.getLogger(__name__)
RETRY = 1.0  # seconds after the runtime failed
LONGEST_RETRY = 10.0  # between attempts at a start
RESIZE_AGAIN, ROOM_AGAIN = 10.0, 180.0  # until what failed, or found no room, is tried once more (kubelet)
DEADLINE = Waiting("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
SYNCING, TERMINATING, TERMINATED = "syncing", "terminating", "terminated"


class PodWorker:
    """All that is known of one pod. `run` does what is to be done now and returns; `wake` says when to come back."""

    def __init__(self, workers: PodWorkers, pod: Pod) -> None:
        self.share = Share(pod, workers.checkpoints.take(pod.uid), workers.recorder)
        self.phase = SYNCING
        self.observed = Observed()
        self.stale = workers.may_run(pod.uid)  # the runtime has to be asked anew
        self.gone = False  # the API no longer has the pod
        self.wake: float | None = None
        self.failures = 0  # passes in a row that ended with an error
        self._cleaned = self._emptied = self._released = self._rejected = False
        self._workers = workers
        self._ending = Ending()
        self._volumes = PodVolumes(workers.volumes, workers.clock, workers.recorder)
        self._failed: Waiting | None = None
        self._disrupted = ""  # by the node, and why
        self._waiting: Mapping[str, Waiting] = {}
        self._restarting = False  # all containers are being removed
        self._holds: dict[str, Hold] = {}
        self._failures: dict[str, int] = {}
        self._last_words = LastWords(on_disk=workers.on_disk)
        self._last: Object = {}

    @property
    def pod(self) -> Pod:
        """The pod as it is to be run: it asks for what it has been given."""
        return self.share.pod

    @property
    def uid(self) -> str:
        return self.pod.uid

    @property
    def status(self) -> Object:
        """The status made last."""
        return self._last

    def must_end(self) -> bool:
        """Whether the pod is to be taken down."""
        return self.gone or self.pod.metadata.deletionTimestamp is not None or self.pod.is_finished

    def fail(self, why: Waiting, grace: float | None = None, disrupted: str = "") -> None:
        """The node no longer has room for the pod: it ends, within `grace` seconds if they are fewer than it would
        have, and says why. `disrupted` tells of it where the pod itself is not to blame (KEP-3329)."""
        if self._failed is None:
            self._failed, self._disrupted = why, disrupted
        if grace is not None:
            self._ending.hasten(grace)

    def vanish(self) -> None:
        """The API no longer has the pod. If it still runs, whoever took it away did not want to wait for it."""
        self.gone = True
        self._ending.hasten(AT_ONCE)

    def reject(self, why: Waiting) -> None:
        """The node never took the pod: nothing of it runs."""
        self._rejected = True
        self.fail(why)

    @property
    def is_evictable(self) -> bool:
        """It runs, and the node has not told it to end."""
        return self.phase != TERMINATED and self._failed is None and not (self.gone or self.pod.is_finished)

    @property
    def is_evicted(self) -> bool:
        """What it has written is wanted back: its containers go before anybody deletes it."""
        return EVICTED in (self.pod.status.reason, self._failed.reason if self._failed else "")

    @property
    def is_cleared(self) -> bool:
        """Nothing of it is left on the node."""
        return self._cleaned and self._emptied

    @property
    def is_ending(self) -> bool:
        """Whether it leaves its room to others before long."""
        return self.must_end() or self._failed is not None or self.phase != SYNCING

    @property
    def takes_room(self) -> bool:
        """Whether what the pod has been given is not for others to have."""
        return not (self._rejected or self.gone or self.phase == TERMINATED or self.pod.is_finished)

    async def run(self) -> None:
        """One pass. Raises RuntimeFailure, and StatusError and OSError where the API does not say what is needed."""
        self.wake = None
        if not (self._failed or self.must_end() or await self._workers.admitter.may_begin(self)):
            return
        if self.phase == SYNCING and (self.must_end() or self._failed or self._is_overdue()):
            self.phase = TERMINATING
        if self.phase == SYNCING:
            await self._sync()
        if self.phase == TERMINATING:
            await self._terminate()
        if self.phase == TERMINATED:
            await self._clean_up()

    def _is_overdue(self) -> bool:
        limit, started = self.pod.spec.activeDeadlineSeconds, self.pod.status.startTime
        if limit is None or started is None:
            return False
        left = parse_timestamp(started).timestamp() + limit - self._now()
        if left > 0:
            self._wake_in(left)
            return False
        self._failed = DEADLINE
        self._workers.recorder.pod(self.pod, NORMAL, DEADLINE.reason, DEADLINE.message)
        return True

    async def _sync(self) -> None:
        if self._claim():
            await self._keep()
        await self._observe()
        while True:
            self._track()
            self.share.settle(self.observed)
            plan = sync.plan(
                self.pod, self.observed, self._verdicts(), self._workers.backoff, self._holds, self._now(),
                self.share.allocation, self._last,
            )  # fmt: skip
            self._report_backoff(plan.waiting)
            self._waiting, self._restarting = plan.waiting, plan.restarting
            if plan.wake is not None:
                self._wake_in(plan.wake)
            self.publish()
            if not plan.actions:
                break
            await self._perform(plan.actions)
        await self._refresh_volumes()
        if self._is_done():
            self.phase = TERMINATING

    def _claim(self) -> bool:
        """Ask the node for what the pod asks for: before anything is waited for, so that pods have their turns."""
        given = self.share.claim(lambda wanted: self._workers.refusal(self, wanted), self._now())
        if given:
            self._holds.pop(RESIZE, None)
            self.refresh_soon()
            self._workers.room_made()
        elif self.share.is_deferred:
            self._wake_in(ROOM_AGAIN)
        return given

    async def _keep(self) -> None:
        await self._workers.checkpoints.keep(self.uid, self.share.allocation)

    def _is_done(self) -> bool:
        """Everything has run to its end, as the status just published says."""
        return self._status()["phase"] in (pod_status.SUCCEEDED, pod_status.FAILED)

    async def _perform(self, actions: list[sync.Action]) -> None:
        """Carry out actions in order; what fails is held back, and those that rest on it are planned anew."""
        images: Found = {}
        for action in actions:
            try:
                match action:
                    case sync.StopPod():
                        await self._stop_everything(Ending())
                    case sync.StopSandbox(sandbox):
                        await self._workers.runtime.stop_sandbox(sandbox.id)
                        await self._observe(anew=True)
                    case CreateSandbox(attempt):
                        await self._create_sandbox(attempt)
                    case StopContainer(status, message, why):
                        grace = grace_period(self.pod, why, self.pod.container(status.name))
                        await self._workers.stopper.stop(self.pod, status, grace, message, self._host())
                        await self._observe(anew=True)
                    case RestartAll(containers, sources):
                        await self._remove(containers, sources)
                    case ResizePod(updates):
                        await self._resize(updates)
                    case StartContainer():
                        await self._start(action, images)
            except StartFailure as failure:
                name = action.container.name if isinstance(action, StartContainer) else SANDBOX
                self._hold(name, failure)
                await self._observe(anew=True)
                if name == SANDBOX:
                    return

    def _hold(self, name: str, failure: StartFailure) -> None:
        """Wait before the next attempt, ever longer while it fails for want of something that may come any moment."""
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        wait = failure.retry
        if failure.grows:
            wait = min(wait * 2 ** min(failures - 1, 10), LONGEST_RETRY)
        self._holds[name] = Hold(Waiting(failure.reason, failure.message), self._now() + wait)

    async def _create_sandbox(self, attempt: int) -> None:
        if attempt:
            self._workers.recorder.pod(
                self.pod, NORMAL, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."
            )
        await self._volumes.set_up(self.pod, self._surroundings())
        self.share.adjusted()
        await self._keep()
        async with self._workers.start_slot():
            id = await self._workers.launcher.create_sandbox(self.pod, attempt)
            self.observed = await self._workers.observer.with_sandbox(self.observed, id, self.uid, attempt, self._now())
        await self._workers.launcher.write_hosts(self.pod, self.observed.network)
        self._workers.report_host_ports()

    async def _start(self, action: StartContainer, images: Found) -> None:
        sandbox = self.observed.sandbox
        if sandbox is None:
            return
        await self._workers.isolation.ensure(self.pod, sandbox.id)
        if self._volumes.places is None:
            await self._volumes.set_up(self.pod, self._surroundings())
        container, now = action.container, self._now()
        last = self.observed.latest(container.name)
        if last is not None and last.state == "exited":
            self._workers.backoff.count(sync.backoff_key(self.pod, container), now)
        target = self.observed.latest(container.targetContainerName) if container.targetContainerName else None
        around, places = self._surroundings(), self._volumes.places or {}
        id = await self._workers.launcher.start(
            self.pod, action, sandbox.id, self.observed.network, places, images, around,
            target.id if target else "", turn=self._workers.start_slot,
        )  # fmt: skip
        self._holds.pop(container.name, None)
        self._failures.pop(container.name, None)
        if container.name in self.share.allocation.behind:
            self.share.caught_up(container.name)
            await self._keep()
        self.observed = await self._workers.observer.with_container(self.observed, id, self.uid, sandbox.id)
        await self._last_words.hear(self.observed)

    async def _remove(self, containers: list[ContainerStatus], sources: list[Container]) -> None:
        """All of the pod start anew: remove what there is of it, but for its sandbox and volumes."""
        for container in sources:
            self._workers.backoff.count(sync.backoff_key(self.pod, container), self._now())
        await self._workers.launcher.remove(self.pod, containers)
        self._workers.observer.forget(Observed(containers=tuple(containers)))
        await self._observe(anew=True)

    async def _resize(self, updates: list[Update]) -> None:
        try:
            await self._workers.resizer.resize(self.pod, updates, self.share.caught_up)
            self.share.adjusted()
        except ResizeFailure as failure:
            self.share.fail(str(failure))
            self._holds[RESIZE] = Hold(Waiting(""), self._now() + RESIZE_AGAIN)
        finally:
            await self._keep()
        await self._observe(anew=True)

    def refresh_soon(self) -> None:
        """What the volumes are made of has changed."""
        self._volumes.refresh_soon()

    def edited(self) -> None:
        """Somebody has changed the pod: a volume may show it, and what could not be started may start now."""
        self.refresh_soon()
        self._holds.clear()
        self._failures.clear()

    async def _refresh_volumes(self) -> None:
        if self.observed.sandbox is not None:
            due = await self._volumes.refresh(self.pod, self._surroundings())
            if due is not None:
                self._wake_in(due)

    async def _terminate(self) -> None:
        """Stop everything, then say so."""
        await self._observe(anew=True)
        self._track()
        self.publish()
        await self._stop_everything(self._ending)
        self._workers.probes.forget(self.uid)
        self.phase = TERMINATED
        self.publish()
        self._workers.report_host_ports()
        self._workers.room_made()

    async def _stop_everything(self, ending: Ending) -> None:
        """Containers in their order, all within one grace period, then the sandboxes."""
        left = ending.left(self.pod, self._workers.clock.monotonic())
        await self._workers.stopper.stop_all(self.pod, self.observed.running, left, self._host(), self._one_ended)
        for sandbox in self.observed.sandboxes:
            await self._workers.runtime.stop_sandbox(sandbox.id)
        await self._observe(anew=True)

    def _one_ended(self) -> None:
        if self.phase == TERMINATING:
            self.stale = True
            self._workers.poke_status(self)

    async def _clean_up(self) -> None:
        """Give back what the pod held; once it is deleted, everything, and tell the API."""
        workers = self._workers
        if not self._cleaned:
            await workers.volumes.tear_down(self.uid)
            if workers.cgroups is not None:
                await asyncio.to_thread(workers.cgroups.remove_pod, self.pod)
            self._cleaned = True
        leaves = self.gone or self.pod.metadata.deletionTimestamp is not None
        if leaves and not self._released:
            if not self.gone:
                workers.writer.delete(self.pod)
            self._released = True
        if not self._emptied and (leaves or self.is_evicted):
            for container in self.observed.containers:
                await workers.runtime.remove_container(container.id)
            for sandbox in self.observed.sandboxes:
                await workers.runtime.remove_sandbox(sandbox.id)
            await workers.launcher.remove_logs(self.pod)
            self._emptied = True
        if self.gone:
            workers.forget(self)

    async def _observe(self, *, anew: bool = False) -> None:
        if not (self.stale or anew):
            return
        self.stale = False
        try:
            self.observed = await self._workers.observer.observe(self.uid, self.observed)
        except BaseException:
            self.stale = True
            raise
        await self._last_words.hear(self.observed)

    def _track(self) -> None:
        self._workers.probes.track(self.pod, self.observed, self._host(), terminating=self.phase != SYNCING)

    def _verdicts(self) -> dict[str, Verdict]:
        return self._workers.probes.verdicts(self.pod, self.observed)

    def _report_backoff(self, waiting: Mapping[str, Waiting]) -> None:
        for name, why in waiting.items():
            if why.reason == "CrashLoopBackOff" and self._waiting.get(name) != why:
                self._workers.tell_backoff(self.pod, name)

    def _status(self) -> Object:
        known = Knowledge(
            observed=self.observed,
            verdicts=self._verdicts(),
            waiting=self._waiting,
            messages=self._last_words.texts,
            host_ips=self._workers.node.ips,
            runtime=self._workers.runtime_name,
            failed=self._failed,
            disrupted=self._disrupted,
            ended=self.phase == TERMINATED,
            restarting=self._restarting and self.phase == SYNCING,
            before=self._last,
            resizing=self.share.conditions(),
            behind=self.share.allocation.behind,
        )
        self._last = pod_status.status(self.pod, known, self._workers.clock.now())
        return self._last

    def publish(self) -> None:
        """Hand the status over to be written."""
        if not self.gone:
            self._workers.writer.submit(self.pod, self._status())

    def _surroundings(self) -> Surroundings:
        node, network = self._workers.node, self.observed.network
        ips = node.ips if self.pod.spec.hostNetwork else network.ips
        return Surroundings(node_name=node.name, host_ips=node.ips, pod_ips=ips, allocatable=self._workers.allocatable)

    def _host(self) -> str:
        """The address at which the pod is asked."""
        ips = self._workers.node.ips if self.pod.spec.hostNetwork else self.observed.network.ips
        return next(iter(ips), "")

    def _now(self) -> float:
        return self._workers.clock.now().timestamp()

    def _wake_in(self, seconds: float) -> None:
        self.wake = seconds if self.wake is None else min(self.wake, seconds)
