"""What a StatefulSet does next. Pure: the same set and pods give the same actions.

In order (podManagementPolicy OrderedReady): pods are made from the lowest ordinal up, each once those before it are
ready; taken away from the highest down, each once it is ready itself; and changed from the highest down, one at a time.
Parallel makes and takes away at once; changes stay in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from longboat.api.view import View
from longboat.api.workloads import Pod, is_available, is_ready
from longboat.controllers.history import REVISION_LABEL
from longboat.controllers.shares import share
from longboat.controllers.statefulset.identity import ordinal_of
from longboat.controllers.statefulset.views import StatefulSet


@dataclass
class Plan:
    """`create`: ordinal and revision. `replace`: finished pods, deleted to be made anew. `condemned`: too many."""

    create: list[tuple[int, str]] = field(default_factory=list)
    replace: list[Pod] = field(default_factory=list)
    condemned: list[Pod] = field(default_factory=list)
    update: list[Pod] = field(default_factory=list)


def plan(owner: StatefulSet, pods: Iterable[Pod], current: str, update: str, now: datetime) -> Plan:
    """`current` and `update` are names of revisions."""
    found: dict[int, Pod] = {}
    for pod in pods:
        if (ordinal := ordinal_of(owner, pod)) is not None:
            found[ordinal] = pod
    wanted = range(owner.spec.ordinals.start, owner.spec.ordinals.start + owner.spec.replicas)
    ordered = owner.spec.podManagementPolicy != "Parallel"
    plan = Plan()
    if _fill(plan, owner, found, wanted, current, update, ordered, now):
        return plan
    if _shrink(plan, owner, found, wanted, ordered, now):
        return plan
    _roll(plan, owner, found, wanted, update, now)
    return plan


def _fill(
    plan: Plan, owner: StatefulSet, found: Mapping[int, Pod], wanted: range, current: str, update: str, ordered: bool,
    now: datetime,
) -> bool:  # fmt: skip
    """Every ordinal gets its pod. True where the rest has to wait."""
    for ordinal in wanted:
        pod = found.get(ordinal)
        if pod is None:
            plan.create.append((ordinal, current if _keeps(owner, ordinal) else update))
        elif pod.metadata.deletionTimestamp is None and _is_over(pod):
            plan.replace.append(pod)
        elif not ordered or _is_healthy(owner, pod, now):
            continue
        if ordered:
            return True
    return bool(plan.create or plan.replace)


def _keeps(owner: StatefulSet, ordinal: int) -> bool:
    """Whether a pod at this place is still to be of the revision before."""
    strategy = owner.spec.updateStrategy
    return strategy.type == "RollingUpdate" and ordinal < owner.spec.ordinals.start + strategy.rollingUpdate.partition


def _shrink(
    plan: Plan, owner: StatefulSet, found: Mapping[int, Pod], wanted: range, ordered: bool, now: datetime
) -> bool:  # fmt: skip
    """Whoever has no place goes, the highest first. True where the rest has to wait.

    In order, one that is not well is waited for, unless all below it are well: it holds up nobody but itself.
    """
    extra = sorted((ordinal for ordinal in found if ordinal not in wanted), reverse=True)
    if not ordered:
        plan.condemned += [found[o] for o in extra if found[o].metadata.deletionTimestamp is None]
        return bool(plan.condemned)
    if extra:
        highest = found[extra[0]]
        first_ill = next((o for o in reversed(extra) if not _is_healthy(owner, found[o], now)), extra[0])
        waits = first_ill != extra[0] and not _is_healthy(owner, highest, now) and not _is_over(highest)
        if highest.metadata.deletionTimestamp is None and not waits:
            plan.condemned.append(highest)
    return bool(extra)


def _roll(plan: Plan, owner: StatefulSet, found: Mapping[int, Pod], wanted: range, update: str, now: datetime) -> None:
    """Pods of another revision go, the highest first, as many as may be missing at a time."""
    if owner.spec.updateStrategy.type != "RollingUpdate":
        return
    missing = sum(not _is_healthy(owner, found[ordinal], now) for ordinal in wanted if ordinal in found)
    room = max_unavailable(owner)
    for ordinal in sorted(wanted, reverse=True):
        if _keeps(owner, ordinal):
            return
        pod = found[ordinal]
        if pod.metadata.deletionTimestamp is not None:
            continue
        if pod.metadata.labels.get(REVISION_LABEL) == update:
            if not _is_healthy(owner, pod, now) and missing >= room:
                return
            continue
        well = _is_healthy(owner, pod, now)
        if well and missing >= room:
            return
        plan.update.append(pod)  # one that is not well already counts as missing
        missing += well
        if len(plan.update) >= room:
            return


def max_unavailable(owner: StatefulSet) -> int:
    """How many may be missing while the set is changed; at least one."""
    asked = owner.spec.updateStrategy.rollingUpdate.maxUnavailable
    return 1 if asked is None else max(1, share(asked, owner.spec.replicas, up=True))


def _is_healthy(owner: StatefulSet, pod: Pod, now: datetime) -> bool:
    if pod.metadata.deletionTimestamp is not None or pod.status.phase != "Running" or not is_ready(pod):
        return False
    return is_available(pod, owner.spec.minReadySeconds, now)


def _is_over(pod: Pod) -> bool:
    """It will never be well again."""
    return pod.status.phase in ("Failed", "Succeeded")


def new_status(
    owner: StatefulSet, pods: Iterable[Pod], current: str, update: str, collisions: int, now: datetime
) -> dict[str, object]:  # fmt: skip
    """The status that these pods make."""
    alive = [pod for pod in pods if pod.metadata.deletionTimestamp is None]
    counted = {
        "replicas": [pod for pod in alive if pod.status.phase],
        "readyReplicas": [pod for pod in alive if pod.status.phase == "Running" and is_ready(pod)],
        "availableReplicas": [p for p in alive if is_available(p, owner.spec.minReadySeconds, now)],
        "currentReplicas": [pod for pod in alive if _of(pod, current)],
        "updatedReplicas": [pod for pod in alive if _of(pod, update)],
    }
    status: dict[str, object] = {name: len(found) for name, found in counted.items()}
    replicas = status["replicas"]
    rolling = owner.spec.updateStrategy.type == "RollingUpdate"
    if rolling and status["updatedReplicas"] == status["readyReplicas"] == replicas == owner.spec.replicas:
        current, status["currentReplicas"] = update, status["updatedReplicas"]
    status |= {"currentRevision": current, "updateRevision": update, "observedGeneration": owner.metadata.generation}
    status["collisionCount"] = collisions
    return status


def _of(pod: View, revision: str) -> bool:
    return pod.metadata.labels.get(REVISION_LABEL) == revision
