"""Puts pods only on nodes that match their node selector and affinity, and prefers those they prefer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longboat.api import affinity
from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import SKIP, Change, Plugin, Refusal, scaled
from longboat.scheduler.snapshot import NodeInfo, Snapshot


class NodeAffinity(Plugin):
    name = "NodeAffinity"
    weight = 2
    cures = Change.NODE_ADDED | Change.NODE_LABELS

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Any:
        spec = pod.pod.spec
        node_affinity = spec.affinity.nodeAffinity
        required = node_affinity and node_affinity.requiredDuringSchedulingIgnoredDuringExecution
        return None if spec.nodeSelector or required else SKIP

    def filter(self, pod: PodInfo, node: NodeInfo, state: Any) -> Refusal | None:
        assert node.node is not None
        spec, labelled = pod.pod.spec, node.node.metadata
        if affinity.node_wanted(spec.nodeSelector, spec.affinity.nodeAffinity, labelled.labels, labelled.name):
            return None
        return Refusal("node(s) didn't match Pod's node affinity/selector", final=True)

    def prepare_score(self, pod: PodInfo, snapshot: Snapshot, feasible: Sequence[NodeInfo]) -> Any:
        node_affinity = pod.pod.spec.affinity.nodeAffinity
        preferred = node_affinity.preferredDuringSchedulingIgnoredDuringExecution if node_affinity else []
        return preferred or SKIP

    def score(self, pod: PodInfo, node: NodeInfo, state: list[affinity.PreferredTerm]) -> float:
        assert node.node is not None
        meta = node.node.metadata
        return sum(t.weight for t in state if affinity.term_matches(t.preference, meta.labels, meta.name))

    def normalize(self, scores: list[float]) -> list[float]:
        return scaled(scores)
