"""Which pods a node runs whatever else has to go (kubelet, IsCriticalPod). Pure."""

from __future__ import annotations

from typing import Final

from longboat.node.make import cgroups
from longboat.node.views.pod import Pod

STATIC: Final = ("kubernetes.io/config.mirror", "kubernetes.io/config.source")


def is_critical(pod: Pod) -> bool:
    """The system's own priority classes and above; and static pods, which nobody would start again."""
    annotations = pod.metadata.annotations
    static = STATIC[0] in annotations or annotations.get(STATIC[1], "api") != "api"
    return static or pod.spec.priority >= cgroups.CRITICAL_PRIORITY
