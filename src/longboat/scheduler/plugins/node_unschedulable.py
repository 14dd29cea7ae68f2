"""Keeps pods off cordoned nodes, unless they tolerate the unschedulable taint."""

from __future__ import annotations

from typing import Any

from longboat.api import taints
from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import Change, Plugin, Refusal
from longboat.scheduler.snapshot import NodeInfo

CORDON = taints.Taint(key=taints.UNSCHEDULABLE, effect=taints.NO_SCHEDULE)


class NodeUnschedulable(Plugin):
    name = "NodeUnschedulable"
    cures = Change.NODE_ADDED | Change.NODE_TAINTS

    def filter(self, pod: PodInfo, node: NodeInfo, state: Any) -> Refusal | None:
        assert node.node is not None
        if not node.node.spec.unschedulable:
            return None
        if any(taints.tolerates(t, CORDON) for t in pod.pod.spec.tolerations):
            return None
        return Refusal("node(s) were unschedulable", final=True)
