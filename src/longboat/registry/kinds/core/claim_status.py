"""What the status of a PersistentVolumeClaim may say of its size, and of how far it is from it."""

from __future__ import annotations

import math

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import rules

_STATUS = Path("status")
RESIZING = (
    "ControllerResizeInfeasible", "ControllerResizeInProgress", "NodeResizeInfeasible", "NodeResizeInProgress",
    "NodeResizePending",
)  # fmt: skip


def validate(claim: Object, err: Errors) -> None:
    if not dig(claim, "spec", "accessModes"):
        err.required(Path("Spec", "accessModes"))
    for resource, text in dig(claim, "status", "capacity", default={}).items():
        amount(text, _STATUS.at("capacity").key(resource), err)
    path = _STATUS.at("allocatedResourceStatuses")
    for resource, state in dig(claim, "status", "allocatedResourceStatuses", default={}).items():
        _resource(resource, path, err)
        if state not in RESIZING:
            err.not_supported(path, resource, RESIZING)  # upstream shows the resource, not the state
    path = _STATUS.at("allocatedResources")
    for resource, text in dig(claim, "status", "allocatedResources", default={}).items():
        if _resource(resource, path, err):
            amount(text, path.key(resource), err)


def amount(text: str, path: Path, err: Errors) -> None:
    found = rules.amount(text, path, err).amount
    if found < 0:
        err.invalid(path, math.ceil(found), "must be a valid resource quantity")


def _resource(name: str, path: Path, err: Errors) -> bool:
    """Whether this is storage, or something that belongs to somebody else."""
    known = err.count
    err.extend(path, names.qualified_name(name), name)
    if err.count == known and ("/" not in name or "kubernetes.io/" in name) and name != "storage":
        err.not_supported(path, name, ("storage",))
    return err.count == known
