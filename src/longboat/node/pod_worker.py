"""One pod's worker: brings it up, keeps it as it should be, and takes it down. Never two at work on the same pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from longboat.machinery.objects import Object, parse_timestamp
from longboat.node import pod_status, sync
from longboat.node.eviction.admit import EVICTED
from longboat.node.pod_actions import Actions, Place
from longboat.node.pod_sight import Sight
from longboat.node.pod_status import Knowledge
from longboat.node.probes import Probes
from longboat.node.recorder import NORMAL, WARNING, field_of
from longboat.node.share import Share
from longboat.node.state import Observed, Verdict, Waiting
from longboat.node.stop import AT_ONCE, Ending
from longboat.node.sync import RESIZE
from longboat.node.tools import Tools
from longboat.node.views.pod import Pod

ROOM_AGAIN = 180.0  # seconds until what found no room asks once more (kubelet)
DEADLINE = Waiting("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
SYNCING, TERMINATING, TERMINATED = "syncing", "terminating", "terminated"


class Pods(Place, Protocol):
    """The node with its pods, as the worker of one of them sees it."""

    async def may_begin(self, worker: PodWorker) -> bool:
        """Whether nothing stands in the pod's way. Raises StatusError, OSError."""
        ...

    def refusal(self, worker: PodWorker, wanted: Pod) -> Waiting | None:
        """Why the node cannot give a pod what it asks for."""
        ...

    def room_made(self) -> None:
        """Some pod takes less than before."""
        ...

    def one_ended(self, worker: PodWorker) -> None:
        """A pod that is being taken down is one container further."""
        ...

    def forget(self, worker: PodWorker) -> None:
        """The pod has gone for good."""
        ...


class PodWorker:
    """All that is known of one pod. `run` does what is to be done now and returns; `wake` says when to come back."""

    def __init__(self, pod: Pod, tools: Tools, probes: Probes, pods: Pods, *, stale: bool) -> None:
        """`stale`: an agent before this one may have started it."""
        self.share = Share(pod, tools.checkpoints.take(pod.uid), tools.recorder)
        self.sight = Sight(pod.uid, tools.observer, tools.node, tools.files.last_words, stale=stale)
        self.phase = SYNCING
        self.gone = False  # the API no longer has the pod
        self.wake: float | None = None
        self.failures = 0  # passes in a row that ended with an error
        self._cleaned = self._emptied = self._released = self._rejected = False
        self._tools, self._probes, self._pods = tools, probes, pods
        self._actions = Actions(tools, pods, self.share, self.sight)
        self._ending = Ending()
        self._failed: Waiting | None = None
        self._disrupted = ""  # by the node, and why
        self._waiting: Mapping[str, Waiting] = {}
        self._restarting = False  # all containers are being removed
        self._last: Object = {}

    @property
    def observed(self) -> Observed:
        return self.sight.observed

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
        if not (self._failed or self.must_end() or await self._pods.may_begin(self)):
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
        self._tools.recorder.pod(self.pod, NORMAL, DEADLINE.reason, DEADLINE.message)
        return True

    async def _sync(self) -> None:
        if self._claim():
            await self._actions.keep()
        await self.sight.look()
        while True:
            self._track()
            self.share.settle(self.observed)
            plan = sync.plan(
                self.pod, self.observed, self._verdicts(), self._tools.backoff, self._actions.holds, self._now(),
                self.share.allocation, self._last,
            )  # fmt: skip
            self._report_backoff(plan.waiting)
            self._waiting, self._restarting = plan.waiting, plan.restarting
            if plan.wake is not None:
                self._wake_in(plan.wake)
            self.publish()
            if not plan.actions:
                break
            await self._actions.perform(plan.actions)
        if (due := await self._actions.refresh_volumes()) is not None:
            self._wake_in(due)
        if self._is_done():
            self.phase = TERMINATING

    def _claim(self) -> bool:
        """Ask the node for what the pod asks for: before anything is waited for, so that pods have their turns."""
        given = self.share.claim(lambda wanted: self._pods.refusal(self, wanted), self._now())
        if given:
            self._actions.holds.pop(RESIZE, None)
            self.refresh_soon()
            self._pods.room_made()
        elif self.share.is_deferred:
            self._wake_in(ROOM_AGAIN)
        return given

    def _is_done(self) -> bool:
        """Everything has run to its end, as the status just published says."""
        return self._status()["phase"] in (pod_status.SUCCEEDED, pod_status.FAILED)

    def refresh_soon(self) -> None:
        """What the volumes are made of has changed."""
        self._actions.refresh_soon()

    def edited(self) -> None:
        """Somebody has changed the pod: a volume may show it, and what could not be started may start now."""
        self._actions.refresh_soon()
        self._actions.try_at_once()

    async def _terminate(self) -> None:
        """Stop everything, then say so."""
        await self.sight.look(anew=True)
        self._track()
        self.publish()
        await self._actions.stop_everything(self._ending, self._one_ended)
        self._probes.forget(self.uid)
        self.phase = TERMINATED
        self.publish()
        self._pods.report_host_ports()
        self._pods.room_made()

    def _one_ended(self) -> None:
        if self.phase == TERMINATING:
            self.sight.stale = True
            self._pods.one_ended(self)

    async def _clean_up(self) -> None:
        """Give back what the pod held; once it is deleted, everything, and tell the API."""
        tools = self._tools
        if not self._cleaned:
            await tools.volumes.tear_down(self.uid)
            await tools.cgroups.remove(self.pod)
            self._cleaned = True
        leaves = self.gone or self.pod.metadata.deletionTimestamp is not None
        if leaves and not self._released:
            if not self.gone:
                tools.writer.delete(self.pod)
            self._released = True
        if not self._emptied and (leaves or self.is_evicted):
            for container in self.observed.containers:
                await tools.runtime.remove_container(container.id)
            for sandbox in self.observed.sandboxes:
                await tools.runtime.remove_sandbox(sandbox.id)
            await tools.files.remove_logs(self.pod)
            self._emptied = True
        if self.gone:
            self._pods.forget(self)

    def _track(self) -> None:
        self._probes.track(self.pod, self.observed, self.sight.host(self.pod), terminating=self.phase != SYNCING)

    def _verdicts(self) -> dict[str, Verdict]:
        return self._probes.verdicts(self.pod, self.observed)

    def _report_backoff(self, waiting: Mapping[str, Waiting]) -> None:
        for name, why in waiting.items():
            if why.reason == "CrashLoopBackOff" and self._waiting.get(name) != why:
                self._tell_backoff(name)

    def _tell_backoff(self, name: str) -> None:
        container = self.pod.container(name)
        if container is not None:
            message = f"Back-off restarting failed container {name} in pod {self.pod}"
            self._tools.recorder.pod(self.pod, WARNING, "BackOff", message, field_of(self.pod, container))

    def _status(self) -> Object:
        known = Knowledge(
            observed=self.observed,
            verdicts=self._verdicts(),
            waiting=self._waiting,
            messages=self.sight.last_words,
            host_ips=self._tools.node.ips,
            runtime=self._tools.runtime_name,
            failed=self._failed,
            disrupted=self._disrupted,
            ended=self.phase == TERMINATED,
            restarting=self._restarting and self.phase == SYNCING,
            before=self._last,
            resizing=self.share.conditions(),
            behind=self.share.allocation.behind,
        )
        self._last = pod_status.status(self.pod, known, self._tools.clock.now())
        return self._last

    def publish(self) -> None:
        """Hand the status over to be written."""
        if not self.gone:
            self._tools.writer.submit(self.pod, self._status())

    def _now(self) -> float:
        return self._tools.clock.now().timestamp()

    def _wake_in(self, seconds: float) -> None:
        self.wake = seconds if self.wake is None else min(self.wake, seconds)
