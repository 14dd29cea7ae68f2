"""Spreads pods of one kind evenly over zones, hosts, or any other node label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from longboat.api import affinity, taints
from longboat.machinery.selectors import LabelSelector
from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import SKIP, Change, Plugin, Refusal
from longboat.scheduler.plugins.taint_toleration import HARD
from longboat.scheduler.pod_selection import selector_for
from longboat.scheduler.snapshot import NodeInfo, Snapshot
from longboat.scheduler.views import Pod, TopologySpreadConstraint


@dataclass(slots=True)
class Spread:
    """One constraint and how many matching pods each domain holds."""

    rule: TopologySpreadConstraint
    selector: LabelSelector
    counts: dict[str, int] = field(default_factory=dict)
    matches_itself: bool = False

    @property
    def fewest(self) -> int:
        if self.rule.minDomains and len(self.counts) < self.rule.minDomains:
            return 0
        return min(self.counts.values(), default=0)


def counts(pod: Pod, rule: TopologySpreadConstraint, node: NodeInfo) -> bool:
    """Whether the node's pods count for this constraint (nodeAffinityPolicy, nodeTaintsPolicy)."""
    assert node.node is not None
    meta = node.node.metadata
    if rule.nodeAffinityPolicy == "Honor" and not affinity.node_wanted(
        pod.spec.nodeSelector, pod.spec.affinity.nodeAffinity, meta.labels, meta.name
    ):
        return False
    if rule.nodeTaintsPolicy == "Honor":
        return not any(taints.untolerated(node.node.spec.taints, pod.spec.tolerations, HARD))
    return True


def spreads(pod: Pod, action: str, nodes: Sequence[NodeInfo]) -> list[Spread]:
    """The pod's constraints of one kind (DoNotSchedule, ScheduleAnyway), counted over these nodes."""
    rules = [c for c in pod.spec.topologySpreadConstraints if c.whenUnsatisfiable == action]
    found = [Spread(rule, selector_for(pod, rule.labelSelector, rule.matchLabelKeys, [])) for rule in rules]
    for node in nodes:
        assert node.node is not None
        labels = node.node.metadata.labels
        if any(rule.topologyKey not in labels for rule in rules):
            continue
        for spread in found:
            if counts(pod, spread.rule, node):
                here = sum(1 for other in node.pods.values() if _alike(pod, other.pod, spread.selector))
                value = labels[spread.rule.topologyKey]
                spread.counts[value] = spread.counts.get(value, 0) + here
    for spread in found:
        spread.matches_itself = spread.selector.matches(pod.metadata.labels)
    return found


def _alike(pod: Pod, other: Pod, selector: LabelSelector) -> bool:
    return (
        other.metadata.namespace == pod.metadata.namespace
        and other.metadata.deletionTimestamp is None
        and selector.matches(other.metadata.labels)
    )


class PodTopologySpread(Plugin):
    name = "PodTopologySpread"
    weight = 2
    cures = Change.ANY_NODE | Change.POD_PLACED | Change.POD_GONE

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Any:
        return spreads(pod.pod, "DoNotSchedule", snapshot.nodes) or SKIP

    def filter(self, pod: PodInfo, node: NodeInfo, state: list[Spread]) -> Refusal | None:
        assert node.node is not None
        labels = node.node.metadata.labels
        for spread in state:
            value = labels.get(spread.rule.topologyKey)
            if value is None:
                return Refusal(
                    "node(s) didn't match pod topology spread constraints (missing required label)", final=True
                )
            skew = spread.counts.get(value, 0) + spread.matches_itself - spread.fewest
            if skew > spread.rule.maxSkew:
                return Refusal("node(s) didn't match pod topology spread constraints")
        return None

    def prepare_score(self, pod: PodInfo, snapshot: Snapshot, feasible: Sequence[NodeInfo]) -> Any:
        return spreads(pod.pod, "ScheduleAnyway", snapshot.nodes) or SKIP

    def score(self, pod: PodInfo, node: NodeInfo, state: list[Spread]) -> float:
        """The fewer alike, the lower; domains are weighed so that many small ones do not drown few large ones."""
        assert node.node is not None
        labels = node.node.metadata.labels
        total = 0.0
        for spread in state:
            value = labels.get(spread.rule.topologyKey)
            if value is None:
                return math.inf
            total += spread.counts.get(value, 0) * math.log(len(spread.counts) + 2) + (spread.rule.maxSkew - 1)
        return total

    def normalize(self, scores: list[float]) -> list[float]:
        finite = [s for s in scores if s != math.inf]
        low, high = min(finite, default=0), max(finite, default=0)
        return [0.0 if s == math.inf else 100 * (high + low - s) / high if high else 100.0 for s in scores]
