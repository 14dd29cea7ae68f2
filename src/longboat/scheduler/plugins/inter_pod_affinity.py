"""Puts pods beside the pods they want to be near, and away from those they (or these) want to be far from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import SKIP, Change, Plugin, Refusal
from longboat.scheduler.pod_selection import PodTerm
from longboat.scheduler.snapshot import NodeInfo, Snapshot
from longboat.scheduler.views import Pod, PodAffinity

Domain = tuple[str, str]  # a node label and its value

HARD_AFFINITY_WEIGHT = 1  # of placed pods' required affinity, in the score


def required(pod: Pod, affinity: PodAffinity | None) -> list[PodTerm]:
    return [PodTerm(pod, t) for t in affinity.requiredDuringSchedulingIgnoredDuringExecution] if affinity else []


def preferred(pod: Pod, affinity: PodAffinity | None) -> list[tuple[PodTerm, int]]:
    if affinity is None:
        return []
    terms = affinity.preferredDuringSchedulingIgnoredDuringExecution
    return [(PodTerm(pod, t.podAffinityTerm), t.weight) for t in terms]


@dataclass(slots=True)
class Relations:
    """What the filter needs: the pod's own terms, and how many pods speak for or against each domain."""

    near: list[PodTerm]
    far: list[PodTerm]
    wanted: Counter[Domain] = field(default_factory=Counter)  # pods that match all of `near`
    unwanted: Counter[Domain] = field(default_factory=Counter)  # pods that match one of `far`
    repelled: set[Domain] = field(default_factory=set)  # where placed pods want this one away
    matches_itself: bool = False


class InterPodAffinity(Plugin):
    name = "InterPodAffinity"
    weight = 2
    cures = Change.NODE_ADDED | Change.NODE_LABELS | Change.POD_PLACED | Change.POD_GONE

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Any:
        affinity = pod.pod.spec.affinity
        relations = Relations(required(pod.pod, affinity.podAffinity), required(pod.pod, affinity.podAntiAffinity))
        everywhere = bool(relations.near or relations.far)
        for node in snapshot.nodes:
            assert node.node is not None
            labels = node.node.metadata.labels
            for other in (node.pods if everywhere else node.with_affinity).values():
                self._relate(relations, pod.pod, other.pod, labels, snapshot)
        if not (everywhere or relations.repelled):
            return SKIP
        relations.matches_itself = all(t.matches(pod.pod, snapshot.namespaces) for t in relations.near)
        return relations

    @staticmethod
    def _relate(relations: Relations, pod: Pod, other: Pod, labels: dict[str, str], snapshot: Snapshot) -> None:
        spaces = snapshot.namespaces
        if relations.near and all(t.matches(other, spaces) for t in relations.near):
            relations.wanted.update((t.key, labels[t.key]) for t in relations.near if t.key in labels)
        for term in relations.far:
            if term.key in labels and term.matches(other, spaces):
                relations.unwanted[term.key, labels[term.key]] += 1
        for term in required(other, other.spec.affinity.podAntiAffinity):
            if term.key in labels and term.matches(pod, spaces):
                relations.repelled.add((term.key, labels[term.key]))

    def filter(self, pod: PodInfo, node: NodeInfo, state: Relations) -> Refusal | None:
        assert node.node is not None
        labels = node.node.metadata.labels
        if not self._near(state, labels):
            return Refusal("node(s) didn't match pod affinity rules", final=True)
        if any(t.key in labels and state.unwanted[t.key, labels[t.key]] for t in state.far):
            return Refusal("node(s) didn't match pod anti-affinity rules")
        if any(labels.get(key) == value for key, value in state.repelled):
            return Refusal("node(s) didn't satisfy existing pods anti-affinity rules")
        return None

    @staticmethod
    def _near(state: Relations, labels: dict[str, str]) -> bool:
        if any(t.key not in labels for t in state.near):
            return False
        if all(state.wanted[t.key, labels[t.key]] for t in state.near):
            return True
        # The first of a group that wants to be near itself has nobody to be near yet.
        return not state.wanted and state.matches_itself

    def prepare_score(self, pod: PodInfo, snapshot: Snapshot, feasible: Sequence[NodeInfo]) -> Any:
        affinity = pod.pod.spec.affinity
        own = preferred(pod.pod, affinity.podAffinity)
        own += [(term, -weight) for term, weight in preferred(pod.pod, affinity.podAntiAffinity)]
        tally: Counter[Domain] = Counter()
        for node in snapshot.nodes:
            assert node.node is not None
            labels = node.node.metadata.labels
            for other in (node.pods if own else node.with_affinity).values():
                theirs = preferred(other.pod, other.pod.spec.affinity.podAffinity)
                theirs += [(t, -w) for t, w in preferred(other.pod, other.pod.spec.affinity.podAntiAffinity)]
                theirs += [(t, HARD_AFFINITY_WEIGHT) for t in required(other.pod, other.pod.spec.affinity.podAffinity)]
                for terms, whom in ((own, other.pod), (theirs, pod.pod)):
                    for term, weight in terms:
                        if term.key in labels and term.matches(whom, snapshot.namespaces):
                            tally[term.key, labels[term.key]] += weight
        return tally or SKIP

    def score(self, pod: PodInfo, node: NodeInfo, state: Counter[Domain]) -> float:
        assert node.node is not None
        return sum(state.get(domain, 0) for domain in node.node.metadata.labels.items())

    def normalize(self, scores: list[float]) -> list[float]:
        low, high = min(scores), max(scores)
        return [100 * (s - low) / (high - low) if high > low else 0 for s in scores]
