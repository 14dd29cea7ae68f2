"""Puts pods where their requests fit, and prefers the emptier and the more evenly used nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import Change, Plugin, Refusal
from longboat.scheduler.snapshot import NodeInfo

WEIGHED = ("cpu", "memory")


class Fit(Plugin):
    """NodeResourcesFit with the LeastAllocated strategy."""

    name = "NodeResourcesFit"
    weight = 1
    cures = Change.NODE_ADDED | Change.NODE_ALLOCATABLE | Change.POD_GONE

    def filter(self, pod: PodInfo, node: NodeInfo, state: Any) -> Sequence[Refusal]:
        refusals = []
        if len(node.pods) + 1 > node.allocatable.get("pods", 0):
            refusals.append(Refusal("Too many pods"))
        for name, asked in pod.requests.items():
            offered = node.allocatable.get(name, 0)
            if asked > 0 and asked > offered - node.requested.get(name, 0):
                refusals.append(Refusal(f"Insufficient {name}", final=asked > offered))
        return refusals

    def score(self, pod: PodInfo, node: NodeInfo, state: Any) -> float:
        shares = []
        for name in WEIGHED:
            offered = node.allocatable.get(name, 0)
            if offered:
                free = offered - node.nonzero.get(name, 0) - pod.nonzero.get(name, 0)
                shares.append(max(free, 0) * 100 // offered)
        return sum(shares) // len(shares) if shares else 0


class BalancedAllocation(Plugin):
    """Prefers nodes whose cpu and memory would be used in like proportion."""

    name = "NodeResourcesBalancedAllocation"
    weight = 1

    def score(self, pod: PodInfo, node: NodeInfo, state: Any) -> float:
        fractions = []
        for name in WEIGHED:
            offered = node.allocatable.get(name, 0)
            if offered:
                used = node.requested.get(name, 0) + pod.requests.get(name, 0)
                fractions.append(min(used / offered, 1.0))
        if len(fractions) < 2:
            return 100
        return float(int((1 - abs(fractions[0] - fractions[1]) / 2) * 100))
