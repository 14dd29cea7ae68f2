"""Keeps pods off nodes whose taints they do not tolerate, and prefers nodes with fewer soft ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longboat.api import taints
from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import Change, Plugin, Refusal, scaled
from longboat.scheduler.snapshot import NodeInfo, Snapshot

HARD = frozenset((taints.NO_SCHEDULE, taints.NO_EXECUTE))
SOFT = frozenset((taints.PREFER_NO_SCHEDULE,))


class TaintToleration(Plugin):
    name = "TaintToleration"
    weight = 3
    cures = Change.NODE_ADDED | Change.NODE_TAINTS

    def filter(self, pod: PodInfo, node: NodeInfo, state: Any) -> Refusal | None:
        assert node.node is not None
        if next(taints.untolerated(node.node.spec.taints, pod.pod.spec.tolerations, HARD), None) is None:
            return None
        return Refusal("node(s) had untolerated taint(s)", final=True)

    def prepare_score(self, pod: PodInfo, snapshot: Snapshot, feasible: Sequence[NodeInfo]) -> Any:
        return [t for t in pod.pod.spec.tolerations if t.effect in ("", taints.PREFER_NO_SCHEDULE)]

    def score(self, pod: PodInfo, node: NodeInfo, state: list[taints.Toleration]) -> float:
        assert node.node is not None
        return sum(1 for _ in taints.untolerated(node.node.spec.taints, state, SOFT))

    def normalize(self, scores: list[float]) -> list[float]:
        return scaled(scores, reverse=True)
