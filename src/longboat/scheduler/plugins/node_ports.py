"""Keeps two pods that want the same host port off one node."""

from __future__ import annotations

from typing import Any

from longboat.api.host_ports import clashes
from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import SKIP, Change, Plugin, Refusal
from longboat.scheduler.snapshot import NodeInfo, Snapshot


class NodePorts(Plugin):
    name = "NodePorts"
    cures = Change.NODE_ADDED | Change.POD_GONE

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Any:
        return None if pod.host_ports else SKIP

    def filter(self, pod: PodInfo, node: NodeInfo, state: Any) -> Refusal | None:
        if any(clashes(wanted, taken) for wanted in pod.host_ports for taken in node.host_ports):
            return Refusal("node(s) didn't have free ports for the requested pod ports")
        return None
