"""Which pods a node runs whatever else has to go (kubelet, IsCriticalPod). Pure."""

from __future__ import annotations

from longboat.node.make import cgroups
from longboat.node.views.pod import Pod


def is_critical(pod: Pod) -> bool:
    """The system's own priority classes, and above.

    Upstream's static pods are critical too. The kubelet knows them by an annotation that it writes itself over whatever
    is there (kubernetes.io/config.source); here there are none, and all annotations are as somebody else wrote them.
    """
    return pod.spec.priority >= cgroups.CRITICAL_PRIORITY
