"""What the controllers of Jobs and CronJobs read."""

from __future__ import annotations

from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.api.workloads import Condition, Pod, Template
from longboat.machinery.kinds import Kind

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"


class JobSpec(Part):
    parallelism: int = 1
    completions: int | None = None
    completionMode: str = "NonIndexed"
    backoffLimit: int = 6
    activeDeadlineSeconds: int | None = None
    ttlSecondsAfterFinished: int | None = None
    suspend: bool = False
    podReplacementPolicy: str = ""
    managedBy: str = ""
    selector: dict[str, Any] | None = None
    template: Template = Template()


class Uncounted(Part):
    succeeded: list[str] = []
    failed: list[str] = []


class JobStatus(Part):
    active: int = 0
    ready: int = 0
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0
    startTime: str | None = None
    completionTime: str | None = None
    completedIndexes: str = ""
    uncountedTerminatedPods: Uncounted = Uncounted()
    conditions: list[Condition] = []


class Job(View):
    KIND: ClassVar[Kind] = kinds.JOB

    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()

    def holds(self, condition: str) -> bool:
        return any(c.type == condition and c.status == "True" for c in self.status.conditions)

    @property
    def finished(self) -> Condition | None:
        """The condition that says so."""
        return next(
            (c for c in self.status.conditions if c.type in ("Complete", "Failed") and c.status == "True"), None
        )

    @property
    def indexed(self) -> bool:
        return self.spec.completionMode == "Indexed"


class JobPod(Pod):
    """One of a Job's pods."""

    @property
    def tracked(self) -> bool:
        return FINALIZER in self.metadata.finalizers

    @property
    def index(self) -> int | None:
        text = self.metadata.annotations.get(INDEX, "")
        return int(text) if text.isdigit() else None
