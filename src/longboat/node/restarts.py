"""Restart policies of a pod's containers, and the restart of all of them in place (KEP-5307, KEP-5532). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from longboat.api import restarts
from longboat.api.restarts import NEVER, RESTART_ALL
from longboat.machinery.objects import Object
from longboat.node.cri.interface import ContainerStatus
from longboat.node.state import Observed
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod

CONDITION, STARTED = "AllContainersRestarting", "RestartAllContainersStarted"
MESSAGE = "container exited with restart policy rule"
REMOVED, REMOVED_MESSAGE = "RestartingAllContainers", "The container is removed because RestartAllContainers in place"
KILLED = 137


def policy(pod: Pod, container: Container) -> str:
    """The container's own, or its pod's."""
    return container.restartPolicy or pod.spec.restartPolicy


def again(pod: Pod, container: Container, code: int) -> bool:
    """Whether it is started again after it has ended with this exit code."""
    return restarts.again(policy(pod, container), container.restartPolicyRules, code)


def never(pod: Pod, container: Container) -> bool:
    """Whether no restart is foreseen, whatever the rules may say of an exit code."""
    return policy(pod, container) == NEVER


def may_restart_all(pod: Pod) -> bool:
    """Whether some exit restarts all of the pod."""
    return any(rule.action == RESTART_ALL for container in members(pod) for rule in container.restartPolicyRules)


def members(pod: Pod) -> list[Container]:
    """Those that are restarted together: all but the ephemeral ones, which run once."""
    return [*pod.spec.initContainers, *pod.spec.containers]


def sources(pod: Pod, observed: Observed) -> list[tuple[Container, ContainerStatus]]:
    """Containers whose end demands that all start anew."""
    return [
        (container, last)
        for container in members(pod)
        if container.restartPolicyRules
        and (last := observed.latest(container.name)) is not None
        and last.state == "exited"
        and restarts.action(container.restartPolicyRules, last.exit_code) == RESTART_ALL
    ]


def remains(pod: Pod, observed: Observed) -> list[ContainerStatus]:
    """What is to be removed before all start anew. Those whose end demands it come last: as long as one of them is
    there, an agent that starts in between sees what is under way."""
    names = {container.name for container in members(pod)}
    cause = {status.id for _, status in sources(pod, observed)}
    found = [status for status in observed.containers if status.name in names]
    return sorted(found, key=lambda status: status.id in cause)


def is_restarting(pod: Pod, before: Object) -> bool:
    """Whether all containers were being removed, by the status made last (`before`), else by the API's."""
    if before:
        return any(c["type"] == CONDITION and c["status"] == "True" for c in before.get("conditions", ()))
    return any(c.type == CONDITION and c.status == "True" for c in pod.status.conditions)


def attempts_on_record(pod: Pod, before: Object, name: str) -> int:
    """How many starts of a container are known of: its restart count must not fall when the runtime forgets. A restart
    of all containers has counted the next start already."""
    for status in recorded(pod, before):
        if status.get("name") == name:
            return int(status.get("restartCount", 0)) + bool(status.get("containerID"))
    return 0


def recorded(pod: Pod, before: Object) -> Iterable[Object]:
    """Statuses of containers as they were last made, else as the API has them."""
    if before:
        for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
            yield from before.get(field, ())
    yield from (
        *pod.status.containerStatuses, *pod.status.initContainerStatuses, *pod.status.ephemeralContainerStatuses,
    )  # fmt: skip
