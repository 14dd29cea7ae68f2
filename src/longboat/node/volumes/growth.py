"""A claim's status while its file system grows on the node (KEP-1790). Pure."""

from __future__ import annotations

from longboat.machinery import quantity
from longboat.machinery.objects import Object
from longboat.node.views.storage import Claim, PersistentVolume

PENDING, IN_PROGRESS, INFEASIBLE = "NodeResizePending", "NodeResizeInProgress", "NodeResizeInfeasible"
CONDITIONS = ("Resizing", "FileSystemResizePending", "ControllerResizeError", "NodeResizeError")
WAITS_FOR_NODE = "FileSystemResizePending"


def is_due(claim: Claim, volume: PersistentVolume) -> bool:
    """Whether it is the node's turn."""
    has, wanted = _size(claim.status.capacity), _size(volume.spec.capacity)
    state = claim.status.allocatedResourceStatuses.get("storage", "")
    waits = any(condition.type == WAITS_FOR_NODE for condition in claim.status.conditions)
    return wanted > has and (waits or state in (PENDING, IN_PROGRESS)) and state != INFEASIBLE


def begun() -> Object:
    return {"allocatedResourceStatuses": {"storage": IN_PROGRESS}}


def finished(volume: PersistentVolume) -> Object:
    """A strategic merge patch of the status."""
    size = {"storage": volume.spec.capacity["storage"]}
    conditions = [{"$patch": "delete", "type": kind} for kind in CONDITIONS]
    return {
        "capacity": size, "allocatedResources": size, "allocatedResourceStatuses": None, "conditions": conditions,
    }  # fmt: skip


def failed(now: str, why: str) -> Object:
    """Nothing but another size will help."""
    condition = {"type": "NodeResizeError", "status": "True", "lastTransitionTime": now, "message": why}
    return {"allocatedResourceStatuses": {"storage": INFEASIBLE}, "conditions": [condition]}


def _size(listed: dict[str, str]) -> quantity.Quantity:
    return quantity.parse(listed.get("storage") or "0")
