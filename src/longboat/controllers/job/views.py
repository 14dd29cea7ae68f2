"""What the controllers of Jobs and CronJobs read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.api.workloads import ContainerStatus, Pod, PodSpec, PodStatus, Template
from longboat.controllers.job import indexes
from longboat.machinery.kinds import Kind

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
MOST_FAILURES = (1 << 31) - 1  # what an annotation may say


class OnExitCodes(Part):
    containerName: str | None = None
    operator: str = ""
    values: list[int] = []


class OnPodCondition(Part):
    type: str = ""
    status: str = "True"


class FailureRule(Part):
    action: str = ""
    onExitCodes: OnExitCodes | None = None
    onPodConditions: list[OnPodCondition] = []


class FailurePolicy(Part):
    rules: list[FailureRule] = []


class SuccessRule(Part):
    succeededIndexes: str | None = None
    succeededCount: int | None = None


class SuccessPolicy(Part):
    rules: list[SuccessRule] = []


class JobSpec(Part):
    parallelism: int = 1
    completions: int | None = None
    completionMode: str = "NonIndexed"
    backoffLimit: int = 6
    backoffLimitPerIndex: int | None = None
    maxFailedIndexes: int | None = None
    activeDeadlineSeconds: int | None = None
    ttlSecondsAfterFinished: int | None = None
    suspend: bool = False
    podFailurePolicy: FailurePolicy | None = None
    podReplacementPolicy: str = ""
    successPolicy: SuccessPolicy | None = None
    managedBy: str = ""
    selector: dict[str, Any] | None = None
    template: Template = Template()


class Uncounted(Part):
    succeeded: list[str] = []
    failed: list[str] = []


class JobCondition(Part):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    lastTransitionTime: str | None = None
    lastProbeTime: str | None = None


class JobStatus(Part):
    active: int = 0
    ready: int | None = None
    terminating: int | None = None
    succeeded: int = 0
    failed: int = 0
    startTime: str | None = None
    completionTime: str | None = None
    completedIndexes: str = ""
    failedIndexes: str | None = None
    uncountedTerminatedPods: Uncounted | None = None
    conditions: list[JobCondition] = []


class Job(View):
    KIND: ClassVar[Kind] = kinds.JOB

    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()

    def condition(self, kind: str) -> JobCondition | None:
        """The condition, where it holds."""
        return next((c for c in self.status.conditions if c.type == kind and c.status == "True"), None)

    @property
    def finished(self) -> JobCondition | None:
        """The condition that says so."""
        return self.condition("Complete") or self.condition("Failed")

    @property
    def indexed(self) -> bool:
        return self.spec.completionMode == "Indexed"

    @property
    def size(self) -> int:
        """Of an indexed Job: how many indexes it has."""
        return self.spec.completions or 0

    @property
    def by_index(self) -> bool:
        """Whether each index has a limit of its own to its failures (KEP-3850)."""
        return self.indexed and self.spec.backoffLimitPerIndex is not None

    @property
    def awaits_ends(self) -> bool:
        """Whether a pod on its way out has failed, and is replaced, only once it has ended (KEP-3939)."""
        return self.spec.podReplacementPolicy == "Failed" or self.spec.podFailurePolicy is not None


class Terminated(Part):
    exitCode: int = 0
    finishedAt: str | None = None


class State(Part):
    terminated: Terminated | None = None


class JobContainerStatus(ContainerStatus):
    state: State = State()


class InitContainer(Part):
    name: str = ""
    restartPolicy: str = ""


class JobPodSpec(PodSpec):
    initContainers: list[InitContainer] = []


class JobPodStatus(PodStatus):
    containerStatuses: Sequence[JobContainerStatus] = ()
    initContainerStatuses: Sequence[JobContainerStatus] = ()


class JobPod(Pod):
    """One of a Job's pods."""

    spec: JobPodSpec = JobPodSpec()
    status: JobPodStatus = JobPodStatus()

    @property
    def tracked(self) -> bool:
        return FINALIZER in self.metadata.finalizers

    @property
    def index(self) -> int | None:
        return indexes.number(self.metadata.annotations.get(INDEX, ""))

    @property
    def counted_failures(self) -> int:
        """Of its index, before it, those that its limit knows of."""
        return self._number(FAILURES)

    @property
    def all_failures(self) -> int:
        """Of its index, before it."""
        return self._number(FAILURES) + self._number(IGNORED)

    def _number(self, annotation: str) -> int:
        number = indexes.number(self.metadata.annotations.get(annotation, "")) or 0
        return number if number <= MOST_FAILURES else 0
