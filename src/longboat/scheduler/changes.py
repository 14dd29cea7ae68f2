"""What of a change matters to scheduling. Pure."""

from __future__ import annotations

from longboat.scheduler.plugin import Change
from longboat.scheduler.views import Node, Pod


def scheduling_changed(old: Pod, new: Pod) -> bool:
    """Whether anything changed that a scheduling decision rests on."""
    return old.spec != new.spec or old.metadata.labels != new.metadata.labels


def resizing(old: Pod, new: Pod) -> bool:
    """Whether what a pod has of its node has changed."""
    return _held(old) != _held(new)


def _held(pod: Pod) -> tuple[object, ...]:
    status = pod.status
    pending = [c.reason for c in status.conditions if c.type == "PodResizePending"]
    return (
        status.containerStatuses, status.initContainerStatuses, status.resources, status.allocatedResources, pending
    )  # fmt: skip


def node_change(old: Node | None, new: Node) -> Change:
    """What about the node changed, as far as it could help a waiting pod."""
    if old is None:
        return Change.ANY_NODE
    change = Change(0)
    if old.metadata.labels != new.metadata.labels:
        change |= Change.NODE_LABELS
    if old.spec.taints != new.spec.taints or old.spec.unschedulable != new.spec.unschedulable:
        change |= Change.NODE_TAINTS
    if old.status.allocatable != new.status.allocatable:
        change |= Change.NODE_ALLOCATABLE
    return change
