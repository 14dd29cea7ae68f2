"""What is to be done to running containers whose pod has been given more or less than before (KEP-1287). Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from longboat.api import resources as api
from longboat.api.resources import Resources
from longboat.machinery.objects import Object
from longboat.node.allocation import COMPUTE, Allocation
from longboat.node.state import Observed
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod

RESTART = "RestartContainer"
UNLIMITED = float("inf")


class Update(msgspec.Struct, frozen=True):
    """Of a running container. `before` is what it was set up with."""

    container: Container
    id: str
    before: Resources

    def growth(self, resource: str) -> float:
        """By how much its limit, or else its request, rises; less than nothing where it falls."""
        now, before = self.container.resources, self.before
        limit, had = (_amount(r.limits, resource) or UNLIMITED for r in (now, before))
        if limit != had:
            return limit - had
        return _amount(now.requests, resource) - _amount(before.requests, resource)

    @property
    def lowers_memory(self) -> bool:
        """Whether its memory is limited for the first time, or more tightly."""
        limit, had = (_amount(r.limits, "memory") or UNLIMITED for r in (self.container.resources, self.before))
        return limit < had


def _amount(listed: dict[str, str], resource: str) -> int:
    return api.amount(resource, listed[resource]) if resource in listed else 0


def changed(container: Container, before: Resources) -> list[str]:
    """Which of cpu and memory are not as the container was set up."""
    now = container.resources
    return [
        name
        for name in COMPUTE
        if (_amount(now.requests, name), _amount(now.limits, name))
        != (_amount(before.requests, name), _amount(before.limits, name))
    ]


def needs_restart(container: Container, before: Resources) -> bool:
    """Whether the container wants to be started anew for such a change."""
    policies = {policy.resourceName: policy.restartPolicy for policy in container.resizePolicy}
    return any(policies.get(name) == RESTART for name in changed(container, before))


def updates(found: Iterable[Update], resource: str) -> list[Update]:
    """Those that change, the ones that shrink first: the pod's limit holds for the sum at every step."""
    wanted = [update for update in found if resource in changed(update.container, update.before)]
    return sorted(wanted, key=lambda update: update.growth(resource) > 0)


def halfway(update: Update) -> Resources:
    """The new memory with the processor time it had before."""

    def side(now: dict[str, str], before: dict[str, str]) -> dict[str, str]:
        made = {name: text for name, text in now.items() if name != "cpu"}
        return made | ({"cpu": before["cpu"]} if "cpu" in before else {})

    now, before = update.container.resources, update.before
    return Resources(requests=side(now.requests, before.requests), limits=side(now.limits, before.limits))


def is_under_way(allocation: Allocation, observed: Observed) -> bool:
    """Whether anything that runs still is as it was before: what does not starts with what was given."""
    if observed.sandbox is None:
        return False
    running = (status.name for status in observed.containers if status.state == "running")
    return allocation.pod_behind or any(name in allocation.behind for name in running)


def message(what: str, pod: Pod, generation: int, error: str = "") -> str:
    """What Events say: what has happened, and the resources that are meant."""
    told: Object = {}
    for field, listed in (("initContainers", pod.spec.initContainers), ("containers", pod.spec.containers)):
        if listed:
            told[field] = [{"name": c.name, "resources": shown(c.resources)} for c in listed]
    told["generation"] = generation
    if error:
        told["error"] = error
    return f"Pod resize {what}: {msgspec.json.encode(told).decode()}"


def shown(resources: Resources) -> Object:
    sides = (("limits", resources.limits), ("requests", resources.requests))
    return {side: dict(sorted(listed.items())) for side, listed in sides if listed}
