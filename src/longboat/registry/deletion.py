"""What a delete does to an object: nothing yet, a mark, or its end. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from longboat.machinery import errors
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, dig, meta, parse_timestamp, timestamp
from longboat.registry.strategy import Deletion, Strategy
from longboat.registry.write import Write

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
POLICIES = ("Foreground", "Background", "Orphan")
UNSAFE = "ignoreStoreReadErrorWithClusterBreakingPotential"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`remove`: take it out of storage now. Else store `mark` if it is not None; None means nothing changes."""

    remove: bool
    mark: Object | None = None


def options(body: Object) -> Deletion:
    """DeleteOptions as sent. Raises StatusError 422 for contradictions (apimachinery, ValidateDeleteOptions)."""
    err, policy, grace = Errors(), body.get("propagationPolicy"), body.get("gracePeriodSeconds")
    orphan, dry_run = body.get("orphanDependents"), body.get("dryRun") or []
    path = Path("propagationPolicy")
    if policy is not None and orphan is not None:
        err.invalid(path, policy, "orphanDependents and deletionPropagation cannot be both set")
    if policy is not None and policy not in POLICIES:
        err.not_supported(path, policy, [*POLICIES, "nil"], as_given=True)
    if any(value != "All" for value in dry_run):
        err.not_supported(Path("dryRun"), dry_run, ["All"])
    if body.get(UNSAFE):
        for name in ("dryRun", "propagationPolicy", "orphanDependents", "gracePeriodSeconds", "preconditions"):
            if body.get(name) not in (None, []):
                err.invalid(Path(UNSAFE), True, f"cannot be set together with .{name}")
    if err:
        raise errors.invalid(_DELETE_OPTIONS, "", err)
    if policy is None and orphan is not None:
        policy = "Orphan" if orphan else "Background"
    if grace is not None and grace < 0:
        grace = 1  # it once meant "at once"
    return Deletion(grace, policy, body.get("preconditions") or {})


_DELETE_OPTIONS = Kind("meta.k8s.io", "v1", "DeleteOptions", "deleteoptions")


def finalizers_after(strategy: Strategy, obj: Object, policy: str | None) -> list[str]:
    """The finalizers once this deletion's propagation policy has been written into them."""
    found = list(meta(obj).get("finalizers") or [])
    if not strategy.owns:
        policy = "Background"  # nobody would come to take a finalizer away
    if policy is None:
        # What an earlier delete asked for stands; else the kind's own default.
        if ORPHAN in found or FOREGROUND in found:
            return found
        policy = strategy.default_propagation()
    kept = [f for f in found if f not in (ORPHAN, FOREGROUND)]
    return kept + {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(policy, [])


def plan(strategy: Strategy, obj: Object, deletion: Deletion, write: Write) -> Outcome:
    """What to do with an object that somebody wants gone. `obj` is not changed."""
    new: dict[str, Any] = obj | {"metadata": dict(meta(obj))}
    found = new["metadata"]
    going = found.get("deletionTimestamp") is not None
    left = (found.get("deletionGracePeriodSeconds") or 0) if going else 0
    if left and (deletion.grace is None or deletion.grace >= left):
        return Outcome(remove=False)  # asking again may only shorten the wait, and changes nothing else
    finalizers = finalizers_after(strategy, obj, deletion.propagation)
    changed = finalizers != (found.get("finalizers") or [])
    _set_finalizers(found, finalizers)
    if going:
        if left:
            grace = deletion.grace or 0
            since = parse_timestamp(found["deletionTimestamp"]) - timedelta(seconds=left)
            found["deletionTimestamp"] = timestamp(
                max(since + timedelta(seconds=grace), write.now) if grace else write.now
            )
            found["deletionGracePeriodSeconds"] = left = grace
            changed = True
        if not finalizers and left == 0 and not strategy.held(new):
            return Outcome(remove=True)
        return Outcome(remove=False, mark=new if changed else None)
    grace = max(strategy.grace_seconds(obj, deletion.grace), 0)
    if not finalizers and grace == 0 and not strategy.held(new):
        return Outcome(remove=True)
    found["deletionTimestamp"] = timestamp(write.now + timedelta(seconds=grace))
    found["deletionGracePeriodSeconds"] = grace
    if "generation" in found:
        found["generation"] += 1
    for part in ("spec", "status"):
        if isinstance(new.get(part), dict):
            new[part] = dict(new[part])
    strategy.begin_delete(new, write)
    return Outcome(remove=False, mark=new)


def _set_finalizers(found: Object, finalizers: list[str]) -> None:
    if finalizers:
        found["finalizers"] = finalizers
    else:
        found.pop("finalizers", None)


def complete(strategy: Strategy, obj: Object) -> bool:
    """Whether an object that is going has nothing left to wait for."""
    found = meta(obj)
    return (
        found.get("deletionTimestamp") is not None
        and not found.get("finalizers")
        and not dig(found, "deletionGracePeriodSeconds", default=0)
        and not strategy.held(obj)
    )
