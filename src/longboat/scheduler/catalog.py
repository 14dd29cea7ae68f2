"""The scheduler's plugins, in the order in which their filters run: the cheap and decisive first."""

from __future__ import annotations

from longboat.scheduler.plugin import Plugin
from longboat.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from longboat.scheduler.plugins.node_affinity import NodeAffinity
from longboat.scheduler.plugins.node_name import NodeName
from longboat.scheduler.plugins.node_ports import NodePorts
from longboat.scheduler.plugins.node_resources import BalancedAllocation, Fit
from longboat.scheduler.plugins.node_unschedulable import NodeUnschedulable
from longboat.scheduler.plugins.pod_topology_spread import PodTopologySpread
from longboat.scheduler.plugins.taint_toleration import TaintToleration


def plugins() -> list[Plugin]:
    return [
        NodeUnschedulable(),
        NodeName(),
        TaintToleration(),
        NodeAffinity(),
        NodePorts(),
        Fit(),
        PodTopologySpread(),
        InterPodAffinity(),
        BalancedAllocation(),
    ]
