"""How many replicas one metric asks for. Pure.

The rules are those of Kubernetes' documentation (Horizontal Pod Autoscaling, "Algorithm details"): the ratio of what is
used to what is wanted, a tolerance around one, and caution about pods that say nothing or have just begun.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from longboat.api.resources import amount
from longboat.controllers.autoscaling.views import ScaledPod
from longboat.machinery.objects import parse_timestamp

TOLERANCE = 0.1
CPU_INITIALIZATION = timedelta(minutes=5)  # of a pod's life in which its use of cpu may mislead
READINESS_DELAY = timedelta(seconds=30)  # of a pod's life in which becoming ready counts as beginning

Usage = Mapping[str, Mapping[str, int]]
"""Pod → container → what it uses: thousandths of a core, or bytes."""


class NoMetrics(Exception):
    """The metric says nothing of any pod. The text is upstream's."""


@dataclass(frozen=True)
class Groups:
    """Pods by what is known of them."""

    measured: dict[str, int]  # pod: what it uses
    unready: frozenset[str]
    missing: frozenset[str]


@dataclass(frozen=True)
class Proposal:
    replicas: int
    average: int  # used by each pod: thousandths of a core, or bytes
    utilization: int | None = None  # percent of what was requested


def by_utilization(
    current: int, target: int, pods: Iterable[ScaledPod], usage: Usage, resource: str, container: str, now: datetime
) -> Proposal:
    """Replicas for an average use of `target` percent of the requests. Raises NoMetrics, ValueError."""
    alive = {pod.metadata.name: pod for pod in pods}
    groups = sort(alive, usage, resource, container, now)
    requested = {name: request(pod, resource, container) for name, pod in alive.items()}
    ratio, utilization, average = _utilization(groups.measured, requested, target)

    def lazy(name: str) -> int:
        return math.ceil(requested[name] * max(100, target) / 100)

    def again(measured: dict[str, int]) -> float:
        return _utilization(measured, requested, target)[0]

    return Proposal(_replicas(current, ratio, groups, lazy, again), average, utilization)


def by_average(
    current: int, target: int, pods: Iterable[ScaledPod], usage: Usage, resource: str, container: str, now: datetime
) -> Proposal:
    """Replicas for an average use of `target` by each pod. Raises NoMetrics."""
    alive = {pod.metadata.name: pod for pod in pods}
    groups = sort(alive, usage, resource, container, now)

    def ratio(measured: dict[str, int]) -> float:
        return sum(measured.values()) / len(measured) / target

    average = sum(groups.measured.values()) // len(groups.measured)
    return Proposal(_replicas(current, ratio(groups.measured), groups, lambda name: target, ratio), average)


def sort(
    pods: Mapping[str, ScaledPod], usage: Usage, resource: str, container: str, now: datetime
) -> Groups:  # fmt: skip
    """Who counts. Pods that are going or have failed do not. Raises NoMetrics where nobody can be counted."""
    measured: dict[str, int] = {}
    unready, missing = set(), set()
    for name, pod in pods.items():
        if pod.metadata.deletionTimestamp is not None or pod.status.phase == "Failed":
            continue
        if pod.status.phase == "Pending":
            unready.add(name)
            continue
        used = usage.get(name)
        if used is None or (container and container not in used):
            missing.add(name)
            continue
        if resource == "cpu" and _has_just_begun(pod, now):
            unready.add(name)
            continue
        measured[name] = used[container] if container else sum(used.values())
    if not measured:
        raise NoMetrics("did not receive metrics for targeted pods (pods might be unready)")
    return Groups(measured, frozenset(unready), frozenset(missing))


def request(pod: ScaledPod, resource: str, container: str) -> int:
    """What the pod's containers (or the one) ask for. Raises ValueError in upstream's words where one does not say."""
    lasting = [c for c in pod.spec.initContainers if c.restartPolicy == "Always"]
    total = 0
    for each in (*pod.spec.containers, *lasting):
        if container and each.name != container:
            continue
        asked = each.resources.requests.get(resource)
        if asked is None:
            raise ValueError(f"missing request for {resource} in container {each.name} of Pod {pod.metadata.name}")
        total += amount(resource, asked)
    return total


def _has_just_begun(pod: ScaledPod, now: datetime) -> bool:
    """Whether what the pod uses now may be the work of beginning."""
    ready = next((c for c in pod.status.conditions if c.type == "Ready"), None)
    if ready is None or pod.status.startTime is None or ready.lastTransitionTime is None:
        return True
    started, turned = parse_timestamp(pod.status.startTime), parse_timestamp(ready.lastTransitionTime)
    if started + CPU_INITIALIZATION > now:
        return ready.status == "False" or turned + timedelta(seconds=15) > now
    return ready.status == "False" and started + READINESS_DELAY > turned


def _utilization(
    measured: Mapping[str, int], requested: Mapping[str, int], target: int
) -> tuple[float, int, int]:  # fmt: skip
    """Ratio to the target, percent used, and used on average."""
    used, asked = sum(measured.values()), sum(requested[name] for name in measured)
    if asked == 0:
        raise ValueError("no metrics returned matched known pods")
    utilization = used * 100 // asked
    return utilization / target, utilization, used // len(measured)


def _replicas(
    current: int, ratio: float, groups: Groups, guess: Callable[[str], int], again: Callable[[dict[str, int]], float]
) -> int:
    """What the ratio comes to, once pods that are not known have been assumed to hold it back.

    `guess` says what a pod without metrics is taken to use where the question is whether to have fewer; where it is
    whether to have more, it and all that have just begun are taken to use nothing.
    """
    up = ratio > 1.0
    if not groups.missing and not (groups.unready and up):
        return current if abs(ratio - 1.0) <= TOLERANCE else math.ceil(ratio * len(groups.measured))
    measured = groups.measured | {name: 0 if up else guess(name) for name in groups.missing}
    if up:
        measured |= dict.fromkeys(groups.unready, 0)
    new = again(measured)
    if abs(new - 1.0) <= TOLERANCE or ratio < 1.0 < new or ratio > 1.0 > new:
        return current  # what is not known would turn the decision round
    replicas = math.ceil(new * len(measured))
    if (new < 1.0 and replicas > current) or (new > 1.0 and replicas < current):
        return current
    return replicas
