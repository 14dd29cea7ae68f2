"""How a claim grows, as its status tells it (KEP-1790). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from longboat.api.storage import Claim, Volume, size
from longboat.machinery.objects import Object
from longboat.machinery.quantity import Quantity

IN_PROGRESS, INFEASIBLE = "ControllerResizeInProgress", "ControllerResizeInfeasible"
NODE_PENDING = "NodeResizePending"
NODES_TURN = frozenset((NODE_PENDING, "NodeResizeInProgress", "NodeResizeInfeasible"))
RESIZING, WAITS_FOR_NODE, FAILED = "Resizing", "FileSystemResizePending", "ControllerResizeError"
WAITING = "Waiting for user to (re-)start a pod to finish file system resize of volume on node."


@dataclass(frozen=True, slots=True)
class Grow:
    """Have the driver make the volume this large."""

    to: Quantity


@dataclass(frozen=True, slots=True)
class TellNode:
    """The driver has done its part; the claim does not say so yet."""

    to: Quantity


def plan(claim: Claim, volume: Volume) -> Grow | TellNode | None:
    """What is to be done for a bound claim; None where nothing is, or it is the node's turn."""
    wanted, has = size(claim.spec.resources.requests), size(claim.status.capacity)
    state = claim.status.allocatedResourceStatuses.get("storage", "")
    if claim.status.phase != "Bound" or wanted <= has:
        return None
    if state == IN_PROGRESS:  # what was begun is finished, even if less is asked for by now
        wanted = max(wanted, size(claim.status.allocatedResources))
    if size(volume.spec.capacity) < wanted:
        return Grow(wanted)
    return None if state in NODES_TURN else TellNode(wanted)


def condition(kind: str, now: str, message: str = "") -> Object:
    found: Object = {"type": kind, "status": "True", "lastTransitionTime": now}
    return {**found, "message": message} if message else found


def _conditions(*keep: Object) -> list[Object]:
    """A strategic patch that leaves, of the conditions that speak of growing, just these."""
    kept = {each["type"] for each in keep}
    stale = [kind for kind in (RESIZING, WAITS_FOR_NODE, FAILED) if kind not in kept]
    return [*({"$patch": "delete", "type": kind} for kind in stale), *keep]


def begun(to: Quantity, now: str) -> Object:
    """The status of a claim whose volume the driver is growing."""
    return {
        "allocatedResources": {"storage": str(to)},
        "allocatedResourceStatuses": {"storage": IN_PROGRESS},
        "conditions": _conditions(condition(RESIZING, now)),
    }


def is_begun(claim: Claim, to: Quantity) -> bool:
    status = claim.status
    same = size(status.allocatedResources) == to and any(c.type == RESIZING for c in status.conditions)
    return same and status.allocatedResourceStatuses.get("storage") == IN_PROGRESS


def node_next(to: Quantity, now: str) -> Object:
    """The driver has grown it; the file system grows on the node."""
    return {
        "allocatedResources": {"storage": str(to)},
        "allocatedResourceStatuses": {"storage": NODE_PENDING},
        "conditions": _conditions(condition(WAITS_FOR_NODE, now, WAITING)),
    }


def finished(to: Quantity) -> Object:
    return {
        "capacity": {"storage": str(to)},
        "allocatedResources": {"storage": str(to)},
        "allocatedResourceStatuses": None,
        "conditions": _conditions(),
    }


def failed(why: str, now: str, *, infeasible: bool) -> Object:
    """What cannot be done is over; anything else goes on, and will be tried again."""
    problem = condition(FAILED, now, why)
    if infeasible:
        return {"allocatedResourceStatuses": {"storage": INFEASIBLE}, "conditions": _conditions(problem)}
    return {"conditions": _conditions(condition(RESIZING, now), problem)}


def is_failed(claim: Claim, why: str) -> bool:
    return any(c.type == FAILED and c.message == why for c in claim.status.conditions)
