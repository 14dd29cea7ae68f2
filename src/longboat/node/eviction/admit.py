"""Which pods a node takes while it runs short of something (kubelet, eviction manager's admission). Pure."""

from __future__ import annotations

from collections.abc import Collection

from longboat.api.taints import NO_SCHEDULE, Taint, tolerates
from longboat.node.critical import is_critical
from longboat.node.eviction.signals import MEMORY_PRESSURE
from longboat.node.make.cgroups import BEST_EFFORT, qos
from longboat.node.state import Waiting
from longboat.node.views.pod import Pod

EVICTED = "Evicted"
SHORT_OF_MEMORY = Taint(key="node.kubernetes.io/memory-pressure", effect=NO_SCHEDULE)


def refusal(pod: Pod, conditions: Collection[str]) -> Waiting | None:
    """Of memory only those who ask for none are a danger, unless they say that they may be evicted."""
    if not conditions or is_critical(pod) or pod.status.startTime is not None:
        return None
    if set(conditions) == {MEMORY_PRESSURE} and (
        qos(pod) != BEST_EFFORT or any(tolerates(each, SHORT_OF_MEMORY) for each in pod.spec.tolerations)
    ):
        return None
    return Waiting(EVICTED, f"The node had condition: [{' '.join(sorted(conditions))}]. ")
