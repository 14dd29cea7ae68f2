"""What a Job's policies say: of a pod that failed (KEP-3329), and of the indexes that are done (KEP-3998). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from longboat.controllers.job.indexes import Indexes
from longboat.controllers.job.views import FailureRule, Job, JobContainerStatus, JobPod, OnExitCodes, SuccessRule


@dataclass(frozen=True)
class Judgement:
    """The first rule that matches a failed pod: `action` of podFailurePolicy, "" where none does."""

    action: str = ""
    message: str = ""  # of FailJob

    @property
    def counts(self) -> bool:
        """Whether the failure counts towards the backoff limits."""
        return self.action != "Ignore"


def judge(job: Job, pod: JobPod) -> Judgement:
    for number, rule in enumerate(job.spec.podFailurePolicy.rules if job.spec.podFailurePolicy else ()):
        if why := _matches(rule, pod):
            return Judgement(rule.action, f"{why} matching {rule.action} rule at index {number}")
    return Judgement()


def _matches(rule: FailureRule, pod: JobPod) -> str:
    """In words what it is that the rule matches; "" where nothing is."""
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    if rule.onExitCodes is not None:
        for container in (*pod.status.containerStatuses, *pod.status.initContainerStatuses):
            if (code := _exit_code(rule.onExitCodes, container)) is not None:
                return f"Container {container.name} for pod {name} failed with exit code {code}"
        return ""
    wanted = {(pattern.type, pattern.status) for pattern in rule.onPodConditions}
    found = next((c.type for c in pod.status.conditions if (c.type, c.status) in wanted), None)
    return f"Pod {name} has condition {found}" if found is not None else ""


def _exit_code(wanted: OnExitCodes, container: JobContainerStatus) -> int | None:
    """The container's code, where it has failed with one that is asked for."""
    ended = container.state.terminated
    if ended is None or not ended.exitCode or wanted.containerName not in (None, container.name):
        return None
    return ended.exitCode if (ended.exitCode in wanted.values) == (wanted.operator == "In") else None


def success(job: Job, completed: Indexes) -> str:
    """Which rule of the success policy is met, as the Job's condition tells it; "" while none is."""
    if job.spec.successPolicy is None or not completed:
        return ""
    rules = enumerate(job.spec.successPolicy.rules)
    met = next((number for number, rule in rules if _met(rule, completed, job.size)), None)
    return f"Matched rules at index {met}" if met is not None else ""


def _met(rule: SuccessRule, completed: Indexes, below: int) -> bool:
    if rule.succeededIndexes is None:
        return rule.succeededCount is not None and completed.total >= rule.succeededCount
    required = Indexes.parse(rule.succeededIndexes, below)
    have = required.shared(completed)
    enough = have == required.total or (rule.succeededCount is not None and have >= rule.succeededCount)
    return bool(required) and enough
