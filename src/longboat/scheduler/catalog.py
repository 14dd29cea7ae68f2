"""The scheduler's plugins, in the order in which their filters run: the cheap and decisive first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longboat.scheduler.plugin import Plugin
from longboat.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from longboat.scheduler.plugins.node_affinity import NodeAffinity
from longboat.scheduler.plugins.node_name import NodeName
from longboat.scheduler.plugins.node_ports import NodePorts
from longboat.scheduler.plugins.node_resources import BalancedAllocation, Fit
from longboat.scheduler.plugins.node_unschedulable import NodeUnschedulable
from longboat.scheduler.plugins.node_volume_limits import NodeVolumeLimits
from longboat.scheduler.plugins.pod_topology_spread import PodTopologySpread
from longboat.scheduler.plugins.taint_toleration import TaintToleration
from longboat.scheduler.plugins.volume_binding import VolumeBinding
from longboat.scheduler.plugins.volume_restrictions import VolumeRestrictions
from longboat.scheduler.plugins.volume_zone import VolumeZone

if TYPE_CHECKING:
    from longboat.scheduler.volume_binder import VolumeBinder


def plugins(binder: VolumeBinder | None = None) -> list[Plugin]:
    """Without a binder, decisions are made as if no pod had volumes."""
    return [
        NodeUnschedulable(),
        NodeName(),
        TaintToleration(),
        NodeAffinity(),
        NodePorts(),
        Fit(),
        *(_of_volumes(binder) if binder is not None else ()),
        PodTopologySpread(),
        InterPodAffinity(),
        BalancedAllocation(),
    ]


def _of_volumes(binder: VolumeBinder) -> list[Plugin]:
    volumes = binder.volumes
    return [
        VolumeRestrictions(volumes),
        NodeVolumeLimits(volumes),
        VolumeBinding(volumes, binder),
        VolumeZone(volumes),
    ]
