"""One pod's share of its node: what it has, what it asks for, and what is told of the difference. No I/O."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from longboat.api.resources import Resources
from longboat.machinery.objects import Object
from longboat.node import allocation, resize
from longboat.node.allocation import DEFERRED, Allocation
from longboat.node.recorder import NORMAL, WARNING, Recorder
from longboat.node.state import Observed, Waiting
from longboat.node.views.pod import Pod

PENDING, IN_PROGRESS = "PodResizePending", "PodResizeInProgress"
CONDITIONS = (PENDING, IN_PROGRESS)
EVENTS = {"Deferred": "ResizeDeferred", "Infeasible": "ResizeInfeasible"}


class _Told(msgspec.Struct, frozen=True):
    """A condition, and the generation of the pod that it is about."""

    why: Waiting
    generation: int


class Share:
    """`kept` is what an agent before this one has given the pod."""

    def __init__(self, wanted: Pod, kept: Allocation | None, recorder: Recorder) -> None:
        self.wanted = wanted
        self.allocation = kept or Allocation(allocation.asked(wanted))
        self.pod = allocation.applied(wanted, self.allocation.given)
        self.waits_since = 0.0
        self._recorder = recorder
        self._pending: _Told | None = None
        self._progress: _Told | None = None

    @property
    def is_deferred(self) -> bool:
        return self._pending is not None and self._pending.why.reason == DEFERRED

    def ask(self, wanted: Pod) -> None:
        """The API's newest word on the pod."""
        self.wanted = wanted
        self.pod = allocation.applied(wanted, self.allocation.given)

    def claim(self, refusal: Callable[[Pod], Waiting | None], now: float) -> bool:
        """Take what is asked for, if the node has it (`refusal` says why not); whether anything new is given."""
        if allocation.is_given(self.wanted, self.allocation.given):
            self._pending = None
            return False
        generation = self.wanted.metadata.generation
        if (why := refusal(self.wanted)) is not None:
            self._put_off(_Told(why, generation), now)
            return False
        self.allocation = self.allocation.next(allocation.asked(self.wanted))
        self.pod = self.wanted
        self._pending, self._progress = None, _Told(Waiting(""), generation)
        self._tell(NORMAL, "ResizeStarted", resize.message("started", self.pod, generation))
        return True

    def _put_off(self, told: _Told, now: float) -> None:
        before, self._pending = self._pending, told
        if before is None or before.why.reason != told.why.reason:
            self.waits_since = now
        if before != told:
            reason = told.why.reason
            text = resize.message(reason, self.wanted, told.generation, told.why.message)
            self._tell(WARNING, EVENTS[reason], text)

    def settle(self, observed: Observed) -> None:
        """Find out whether all that was given is in force."""
        if resize.is_under_way(self.allocation, observed):
            self._progress = self._progress or _Told(Waiting(""), self.wanted.metadata.generation)
        elif self._progress is not None:
            generation, self._progress = self._progress.generation, None
            self._tell(NORMAL, "ResizeCompleted", resize.message("completed", self.pod, generation))

    def fail(self, message: str) -> None:
        """What was given could not be put into force now."""
        generation = self._progress.generation if self._progress else self.wanted.metadata.generation
        told = _Told(Waiting("Error", message), generation)
        if told != self._progress:
            self._progress = told
            self._tell(WARNING, "ResizeError", resize.message("error", self.pod, generation, message))

    def caught_up(self, name: str, now: Resources | None = None) -> None:
        """A container has been set up with what was given, or at least with `now`."""
        if name in self.allocation.behind:
            self.allocation = self.allocation.caught_up(name, now)

    def adjusted(self) -> None:
        """So has the pod's own cgroup."""
        if self.allocation.pod_behind:
            self.allocation = msgspec.structs.replace(self.allocation, pod_behind=False)

    def conditions(self) -> list[Object]:
        """For the pod's status."""
        return [
            {
                "type": kind, "status": "True", "reason": told.why.reason or None, "message": told.why.message or None,
                "observedGeneration": told.generation,
            }
            for kind, told in ((PENDING, self._pending), (IN_PROGRESS, self._progress))
            if told is not None
        ]  # fmt: skip

    def _tell(self, kind: str, reason: str, message: str) -> None:
        self._recorder.pod(self.wanted, kind, reason, message)
