"""What a DaemonSet does next: pods that are missing, too many or out of date. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from longboat.api.workloads import is_available, is_ready
from longboat.controllers.daemonset.placement import belongs
from longboat.controllers.daemonset.views import DaemonPod, DaemonSet, Node, Placement
from longboat.controllers.history import REVISION_LABEL
from longboat.controllers.shares import share


@dataclass
class Plan:
    """Nodes that get a pod, and pods that go: because they do not belong, have ended, or are of another revision."""

    create: list[str] = field(default_factory=list)
    delete: list[DaemonPod] = field(default_factory=list)
    failed: list[DaemonPod] = field(default_factory=list)
    succeeded: list[DaemonPod] = field(default_factory=list)


@dataclass
class Tally:
    """The pods of each node, and on which nodes the set wants one."""

    by_node: dict[str, list[DaemonPod]]
    wanted: set[str]
    tolerated: set[str]


def tally(wanted: Placement, pods: Iterable[DaemonPod], nodes: Iterable[Node]) -> Tally:
    by_node: dict[str, list[DaemonPod]] = {}
    for pod in pods:
        by_node.setdefault(pod.node, []).append(pod)
    found = Tally(by_node, set(), set())
    for node in nodes:
        starts, stays = belongs(wanted, node)
        name = node.metadata.name
        if starts:
            found.wanted.add(name)
        if stays:
            found.tolerated.add(name)
    return found


def plan(owner: DaemonSet, found: Tally, revision: str, now: datetime) -> Plan:
    """`revision` is the label's value of the newest."""
    made = Plan()
    surging = surge(owner, len(found.wanted)) > 0
    for node in sorted(found.wanted | found.by_node.keys()):
        _place(made, owner, node, found, revision, surging, now)
    if owner.spec.updateStrategy.type == "RollingUpdate":
        (_surge if surging else _replace)(made, owner, found, revision, now)
    return made


def _place(
    made: Plan, owner: DaemonSet, node: str, found: Tally, revision: str, surging: bool, now: datetime
) -> None:  # fmt: skip
    """One pod where one is wanted, none where none may stay."""
    here = [pod for pod in found.by_node.get(node, ()) if pod.metadata.deletionTimestamp is None]
    if node not in found.tolerated:
        made.delete += here
        return
    made.failed += [pod for pod in here if pod.status.phase == "Failed"]
    made.succeeded += [pod for pod in here if pod.status.phase == "Succeeded"]
    running = [pod for pod in here if pod.status.phase not in ("Failed", "Succeeded")]
    if node in found.wanted and not found.by_node.get(node):
        made.create.append(node)
        return
    new = [pod for pod in running if _is(pod, revision)]
    old = [pod for pod in running if not _is(pod, revision)]
    if surging and new and old:
        if any(is_available(pod, owner.spec.minReadySeconds, now) for pod in new):
            made.delete += old
        return
    made.delete += sorted(running, key=lambda p: (p.metadata.creationTimestamp or "", p.metadata.name))[1:]


def _replace(made: Plan, owner: DaemonSet, found: Tally, revision: str, now: datetime) -> None:
    """Old pods go first, new ones come then: as many nodes at a time may be without as the strategy allows."""
    room = unavailable(owner, len(found.wanted))
    candidates = []
    for node in sorted(found.wanted):
        pods = found.by_node.get(node, [])
        alive = [pod for pod in pods if pod.metadata.deletionTimestamp is None]
        well = [pod for pod in alive if is_available(pod, owner.spec.minReadySeconds, now)]
        if not well:
            room -= 1
        going = [*made.delete, *made.failed, *made.succeeded]
        old = [pod for pod in alive if not _is(pod, revision) and pod not in going]
        if old and not well:
            made.delete += old  # it is missing already: nothing is lost
        elif old:
            candidates.append(old)
    for old in candidates[: max(0, room)]:
        made.delete += old


def _surge(made: Plan, owner: DaemonSet, found: Tally, revision: str, now: datetime) -> None:
    """New pods come first; the old one goes when its successor is available (`_place` sees to that)."""
    room = surge(owner, len(found.wanted))
    candidates = []
    for node in sorted(found.wanted):
        alive = [pod for pod in found.by_node.get(node, ()) if pod.metadata.deletionTimestamp is None]
        new = [pod for pod in alive if _is(pod, revision)]
        old = [pod for pod in alive if not _is(pod, revision)]
        if new and old:
            room -= 1
        elif old and any(is_available(pod, owner.spec.minReadySeconds, now) for pod in old):
            candidates.append(node)
        elif old:
            made.delete += [pod for pod in old if pod not in made.delete]
    made.create += candidates[: max(0, room)]


def surge(owner: DaemonSet, nodes: int) -> int:
    return share(owner.spec.updateStrategy.rollingUpdate.maxSurge, nodes, up=True)


def unavailable(owner: DaemonSet, nodes: int) -> int:
    found = share(owner.spec.updateStrategy.rollingUpdate.maxUnavailable, nodes, up=True)
    return found or (0 if surge(owner, nodes) else 1)


def new_status(
    owner: DaemonSet, found: Tally, revision: str, collisions: int, now: datetime
) -> dict[str, Any]:  # fmt: skip
    """The status that these pods make."""
    counts = dict.fromkeys(
        ("currentNumberScheduled", "numberMisscheduled", "numberReady", "updatedNumberScheduled", "numberAvailable"), 0
    )
    for node in found.wanted:
        pods = found.by_node.get(node)
        if not pods:
            continue
        counts["currentNumberScheduled"] += 1
        oldest = min(pods, key=lambda p: (p.metadata.creationTimestamp or "", p.metadata.name))
        counts["numberReady"] += is_ready(oldest)
        counts["numberAvailable"] += is_available(oldest, owner.spec.minReadySeconds, now)
        counts["updatedNumberScheduled"] += any(_is(pod, revision) for pod in pods)
    counts["numberMisscheduled"] = sum(bool(pods) for node, pods in found.by_node.items() if node not in found.wanted)
    desired = len(found.wanted)
    return {
        **counts,
        "desiredNumberScheduled": desired,
        "numberUnavailable": desired - counts["numberAvailable"],
        "observedGeneration": owner.metadata.generation,
        "collisionCount": collisions,
    }


def _is(pod: DaemonPod, revision: str) -> bool:
    return pod.metadata.labels.get(REVISION_LABEL) == revision
