"""Making room: which pods of lower priority to evict so that one of higher priority fits (KEP-268, pod priority)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from longboat.api.pod_conditions import DISRUPTED
from longboat.machinery import selectors
from longboat.scheduler.cycle import Cycle, NoFit
from longboat.scheduler.info import PodInfo
from longboat.scheduler.snapshot import NodeInfo, Snapshot
from longboat.scheduler.views import Pod, PodDisruptionBudget

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
NO_CLAIMS = "no new claims to deallocate"  # what else upstream tries for a pod that fits nowhere (DynamicResources)
BY_SCHEDULER = "PreemptionByScheduler"
LOWEST = -(2**31)  # of priorities
NOT_YET = "9999-12-31T23:59:59Z"  # the start of a pod that no node has seen
NOT_ASKED = "not found"  # what it says, and preemption is not tried, where its PreFilter never had a turn


@dataclass(frozen=True, slots=True)
class Preemption:
    """Evict `victims` from `node`."""

    node: str
    victims: tuple[PodInfo, ...]
    violations: int = 0  # of disruption budgets, where it cannot be helped


def allowed(info: PodInfo, snapshot: Snapshot, hopeful: Sequence[str]) -> str:
    """Why the pod may not preempt; empty if it may."""
    pod = info.pod
    if pod.spec.preemptionPolicy == "Never":
        return "not eligible due to preemptionPolicy=Never."
    name = snapshot.nominator.where(info.uid)
    nominated = snapshot.node(name) if name in hopeful else None  # elsewhere if that will never do
    if nominated is not None and any(
        other.pod.spec.priority < pod.spec.priority and _gave_way(other.pod) for other in nominated.pods.values()
    ):
        return "not eligible due to a terminating pod on the nominated node."
    return ""


def _gave_way(pod: Pod) -> bool:
    """Whether it is going because a scheduler preempted it: only such room is soon the preempting pod's."""
    told = next((each for each in pod.status.conditions if each.type == DISRUPTED), None)
    going = pod.metadata.deletionTimestamp is not None
    return going and told is not None and (told.status, told.reason) == ("True", BY_SCHEDULER)


def nothing_found(refused: NoFit, tried: Iterable[str]) -> str:
    """Why preemption does not help either."""
    hopeful = len(list(tried))
    counted = Counter({NO_VICTIMS: hopeful, NOT_HELPFUL: refused.nodes - hopeful})
    reasons = ", ".join(sorted(f"{count} {reason}" for reason, count in counted.items() if count))
    return f"0/{refused.nodes} nodes are available: {reasons}."


def message(refused: NoFit, why: str) -> str:
    """What the pod is told: why it fits nowhere and, unless room is being made, why none is (upstream's FitError)."""
    if refused.overall:
        return f"{refused.message} {NOT_ASKED}"
    return f"{refused.message} {NO_CLAIMS}, preemption: {why}" if why else refused.message


def plan(
    info: PodInfo, snapshot: Snapshot, cycle: Cycle, hopeful: Sequence[str], budgets: Sequence[PodDisruptionBudget] = ()
) -> Preemption | None:
    """The least harmful way to make the pod fit on one of the hopeful nodes; None if there is none."""
    options = [
        option
        for name in hopeful
        if (node := snapshot.node(name)) is not None and (option := _on(info, node, snapshot, cycle, budgets))
    ]
    return min(options, key=harm, default=None)


def harm(option: Preemption) -> tuple[int, int, int, int, float]:
    """Orders options: budgets violated, then the highest priority lost, their sum, how many, and how recent.

    In the sum the lowest priority counts one: else one more pod of a negative priority would make it less.
    """
    priorities = [v.pod.spec.priority for v in option.victims]
    top = max(priorities)
    # Of equals, lose the pods that have run the shortest.
    oldest = min(v.pod.status.startTime or NOT_YET for v in option.victims if v.pod.spec.priority == top)
    lost = sum(priority - LOWEST + 1 for priority in priorities)
    return (option.violations, top, lost, len(priorities), -_sortable(oldest))


def _sortable(moment: str) -> float:
    return float("".join(c for c in moment if c.isdigit()) or 0)


def _on(
    info: PodInfo, node: NodeInfo, snapshot: Snapshot, cycle: Cycle, budgets: Sequence[PodDisruptionBudget]
) -> Preemption | None:
    """Take every pod of lower priority away; if the incoming one then fits, give back as many as possible."""
    assert node.node is not None
    name = node.node.metadata.name
    lower = [other for other in node.pods.values() if other.pod.spec.priority < info.pod.spec.priority]
    if not lower:
        return None
    for other in lower:
        snapshot.remove(other.uid)
    victims: list[PodInfo] = []
    violations = 0
    try:
        if not cycle.fits(info, node, snapshot):
            return None
        protected, free = _split(lower, budgets)
        for group, costly in ((protected, True), (free, False)):
            for other in sorted(group, key=_importance):
                snapshot.place(other, name)
                if not cycle.fits(info, node, snapshot):
                    snapshot.remove(other.uid)
                    victims.append(other)
                    violations += costly
    finally:
        for other in lower:
            snapshot.place(other, name)
    return Preemption(name, tuple(victims), violations) if victims else None


def _importance(info: PodInfo) -> tuple[bool, int, str]:
    """The most important first: those that are not going anyway, by priority, then by how long it has run."""
    return (
        info.pod.metadata.deletionTimestamp is not None,
        -info.pod.spec.priority,
        info.pod.status.startTime or NOT_YET,
    )


def _split(pods: Iterable[PodInfo], budgets: Sequence[PodDisruptionBudget]) -> tuple[list[PodInfo], list[PodInfo]]:
    """Those whose eviction would violate a disruption budget, and the others.

    As upstream's scheduler takes budgets: one that selects everything guards nothing here, and what has been evicted
    already is not counted again.
    """
    counted = [(b, selectors.from_api(b.spec.selector)) for b in budgets]
    guards = [(b, selector) for b, selector in counted if not (selector.empty or selector.nothing)]
    left = [budget.status.disruptionsAllowed for budget, _ in guards]
    protected: list[PodInfo] = []
    free: list[PodInfo] = []
    for info in sorted(pods, key=_importance):
        meta = info.pod.metadata
        violated = False
        for i, (budget, selector) in enumerate(guards):
            if budget.metadata.namespace != meta.namespace or meta.name in budget.status.disruptedPods:
                continue
            if meta.labels and selector.matches(meta.labels):
                left[i] -= 1
                violated = violated or left[i] < 0
        (protected if violated else free).append(info)
    return protected, free
