"""Keeps a pod that names its node off all others."""

from __future__ import annotations

from typing import Any

from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import SKIP, Change, Plugin, Refusal
from longboat.scheduler.snapshot import NodeInfo, Snapshot


class NodeName(Plugin):
    name = "NodeName"
    cures = Change.NODE_ADDED

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Any:
        return None if pod.pod.spec.nodeName else SKIP

    def filter(self, pod: PodInfo, node: NodeInfo, state: Any) -> Refusal | None:
        assert node.node is not None
        if node.node.metadata.name == pod.pod.spec.nodeName:
            return None
        return Refusal("node(s) didn't match the requested node name", final=True)
