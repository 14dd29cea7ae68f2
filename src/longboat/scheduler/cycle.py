"""One scheduling decision: which node for this pod, or why none. Pure but for the dice between equals."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import SKIP, Change, Plugin, Refusal
from longboat.scheduler.snapshot import NodeInfo, Snapshot

SUCCESS, UNSCHEDULABLE = "Success", "Unschedulable"  # framework statuses
MIN_FEASIBLE = 100  # below this many nodes every one is looked at (kube-scheduler, minFeasibleNodesToFind)


@dataclass(frozen=True, slots=True)
class Placement:
    node: str


@dataclass(slots=True)
class NoFit:
    """Why no node would do: reasons counted over nodes, and the plugins that gave them."""

    nodes: int
    reasons: Counter[str] = field(default_factory=Counter)
    cures: Change = Change.NODE_ADDED
    hopeful: list[str] = field(default_factory=list)  # nodes where another pod's leaving could help
    overall: str = ""  # what rules out every node before any is looked at
    plugins: set[str] = field(default_factory=set)  # which of them refused

    @property
    def message(self) -> str:
        """As upstream words it in the pod's condition and Event (scheduler framework, FitError)."""
        if self.nodes == 0:
            return "no nodes available to schedule pods"
        if self.overall:
            return f"0/{self.nodes} nodes are available: {self.overall}."
        counted = ", ".join(sorted(f"{count} {reason}" for reason, count in self.reasons.items()))
        return f"0/{self.nodes} nodes are available: {counted}."


def enough(nodes: int) -> int:
    """How many feasible nodes to stop looking at: all of a small cluster, a falling share of a large one."""
    if nodes <= MIN_FEASIBLE:
        return nodes
    percentage = max(5, 50 - nodes // 125)
    return max(MIN_FEASIBLE, nodes * percentage // 100)


Passed = Callable[[str, str, float], None]
"""An extension point has been run: its name, the framework's status, and for how many seconds."""


class Cycle:
    """Runs the plugins over a snapshot. Looking starts where the last look ended, so that all nodes get their turn.

    `passed` is told how long extension points took by `now`.
    """

    def __init__(
        self, plugins: Sequence[Plugin], dice: random.Random, passed: Passed = lambda point, status, seconds: None,
        now: Callable[[], float] = float,
    ) -> None:  # fmt: skip
        self.plugins = plugins
        self._filters = [p for p in plugins if type(p).filter is not Plugin.filter]
        self._scorers = [p for p in plugins if p.weight]
        self._dice = dice
        self._passed, self._now = passed, now
        self._start = 0

    def decide(self, pod: PodInfo, snapshot: Snapshot) -> Placement | NoFit:
        nodes = snapshot.nodes
        why = NoFit(len(nodes))
        began = self._now()
        checks = self._prepared(pod, snapshot, why)
        self._passed("PreFilter", UNSCHEDULABLE if why.overall else SUCCESS, (filtering := self._now()) - began)
        if why.overall:
            return why
        feasible: list[NodeInfo] = []
        nominated = snapshot.node(name := snapshot.nominator.where(pod.uid))
        if nominated is not None and self._admits(pod, nominated, snapshot, checks, NoFit(1)):
            return Placement(name)
        wanted = enough(len(nodes))
        for step in range(len(nodes)):
            node = nodes[(self._start + step) % len(nodes)]
            if self._admits(pod, node, snapshot, checks, why):
                feasible.append(node)
                if len(feasible) == wanted:
                    self._start = (self._start + step + 1) % len(nodes)
                    break
        self._passed("Filter", SUCCESS if feasible else UNSCHEDULABLE, (scoring := self._now()) - filtering)
        if not feasible:
            return why
        best = self._best(pod, snapshot, feasible)
        self._passed("Score", SUCCESS, self._now() - scoring)
        return Placement(best)

    def fits(self, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> bool:
        """Whether every filter accepts this one node."""
        why = NoFit(1)
        checks = self._prepared(pod, snapshot, why)
        return not why.overall and self._admits(pod, node, snapshot, checks, why)

    def _prepared(self, pod: PodInfo, snapshot: Snapshot, why: NoFit) -> list[tuple[Plugin, Any]]:
        checks = []
        for plugin in self._filters:
            state = plugin.prepare(pod, snapshot)
            if isinstance(state, Refusal):
                why.overall, why.cures = state.reason, why.cures | plugin.cures
                why.plugins.add(plugin.name)
                return []
            if state is not SKIP:
                checks.append((plugin, state))
        return checks

    def _admits(
        self, pod: PodInfo, node: NodeInfo, snapshot: Snapshot, checks: list[tuple[Plugin, Any]], why: NoFit
    ) -> bool:
        """With the pods that are nominated for the node and go first, and without: they may never come, and then this
        one must not rest on them."""
        name = node.node.metadata.name if node.node is not None else ""
        if nominees := snapshot.nominator.ahead_of(pod, name):
            with snapshot.holding(nominees, name):
                if not self._passes(pod, node, self._prepared(pod, snapshot, why), why):
                    return False
        return self._passes(pod, node, checks, why)

    @staticmethod
    def _passes(pod: PodInfo, node: NodeInfo, checks: list[tuple[Plugin, Any]], why: NoFit) -> bool:
        for plugin, state in checks:
            answer = plugin.filter(pod, node, state)
            if not answer:
                continue
            refusals: Sequence[Refusal] = (answer,) if isinstance(answer, Refusal) else answer
            why.reasons.update(r.reason for r in refusals)
            why.cures |= plugin.cures
            why.plugins.add(plugin.name)
            if node.node is not None and not any(r.final for r in refusals):
                why.hopeful.append(node.node.metadata.name)
            return False
        return True

    def _best(self, pod: PodInfo, snapshot: Snapshot, feasible: list[NodeInfo]) -> str:
        names = [node.node.metadata.name for node in feasible if node.node is not None]
        if len(names) == 1:
            return names[0]
        totals = [0.0] * len(names)
        for plugin in self._scorers:
            state = plugin.prepare_score(pod, snapshot, feasible)
            if state is SKIP:
                continue
            scores = plugin.normalize([plugin.score(pod, node, state) for node in feasible])
            for i, score in enumerate(scores):
                totals[i] += plugin.weight * score
        top = max(totals)
        return self._dice.choice([name for name, total in zip(names, totals, strict=True) if total == top])
