"""One pod's volumes as its worker sees them: set up before anything starts, kept up to date while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.node.errors import StartFailure, Unmounted
from longboat.node.make.fields import Surroundings
from longboat.node.recorder import WARNING, Recorder
from longboat.node.views.pod import Pod
from longboat.node.volumes.manager import Volumes

RETRY = 1.0  # seconds until what is missing is looked for again
REFRESH = 60.0  # seconds between updates of volumes whose content may change, whatever the watches say
MOUNTED_WITHIN, OVERDUE = 123.0, "context deadline exceeded"  # seconds pods wait for volumes (kubelet), and then
NEVER = float("-inf")


class PodVolumes:
    """`places` are where the volumes lie by name, once they have been set up."""

    def __init__(self, volumes: Volumes, clock: Clock, recorder: Recorder) -> None:
        self._volumes, self._clock, self._recorder = volumes, clock, recorder
        self.places: Mapping[str, Path] | None = None
        self._unmounted_since: float | None = None  # when volumes were first missed
        self._refreshed = NEVER  # when their content was last brought up to date

    async def set_up(self, pod: Pod, around: Surroundings) -> None:
        """Raises StartFailure for the whole pod."""
        try:
            self._refreshed = self._clock.monotonic()
            self.places = await self._volumes.set_up(pod, around)
        except Unmounted as error:
            self._tell(pod, error)
            raise StartFailure("ContainerCreating", "", RETRY, grows=True) from error
        self._unmounted_since = None

    def refresh_soon(self) -> None:
        """What the volumes are made of has changed."""
        self._refreshed = NEVER

    async def refresh(self, pod: Pod, around: Surroundings) -> float | None:
        """Let files follow the objects they come from; also of a pod that an agent before this one has started.
        Returns the seconds until it is to be done again, None for never."""
        if not self._volumes.changes(pod):
            return None
        due = self._refreshed + REFRESH - self._clock.monotonic()
        if due > 0:
            return due
        self._refreshed = self._clock.monotonic()
        try:
            self.places = await self._volumes.set_up(pod, around)
        except Unmounted as error:
            self._tell(pod, error)
        return REFRESH

    def _tell(self, pod: Pod, error: Unmounted) -> None:
        """Tell what is wrong; and, every so often, that a pod still waits, whoever's fault it is."""
        now = self._clock.monotonic()
        for problem in error.problems.values():
            if not problem.quiet:
                self._recorder.pod(pod, WARNING, problem.reason, str(problem))
        if self._unmounted_since is None:
            self._unmounted_since = now
        elif now - self._unmounted_since > MOUNTED_WITHIN:
            self._unmounted_since = now
            unattached = [name for name, problem in error.problems.items() if problem.attaching]
            lists = f"unmounted volumes=[{' '.join(error.problems)}], unattached volumes=[{' '.join(unattached)}]"
            said = f"Unable to attach or mount volumes: {lists}, failed to process volumes=[]: {OVERDUE}"
            self._recorder.pod(pod, WARNING, "FailedMount", said)
