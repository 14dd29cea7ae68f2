"""How a Job's status may change, whoever runs the Job (KEP-4368).

What did not change is not looked at: a Job that is wrong already can still be written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, parse_timestamp
from longboat.registry.kinds import rules
from longboat.registry.kinds.batch import indexes

_STATUS = Path("status")
_CONDITIONS = _STATUS.at("conditions")
COUNTS = ("active", "succeeded", "failed", "ready", "terminating")


@dataclass(frozen=True)
class Side:
    """The Job before or after the write."""

    job: Object

    def __getitem__(self, field: str) -> Any:
        return dig(self.job, "status", field)

    def number(self, field: str) -> int:
        return self[field] or 0

    def holds(self, condition: str) -> bool:
        return any(c.get("type") == condition and c.get("status") == "True" for c in self["conditions"] or ())

    @property
    def finished(self) -> bool:
        return self.holds("Complete") or self.holds("Failed")


def validate(new: Object, old: Object, err: Errors) -> None:
    after, before = Side(new), Side(old)
    _counts(after, before, err)
    _uncounted(after["uncountedTerminatedPods"] or {}, err)
    _contradictions(after, before, err)
    _times(after, before, err)
    _finished(after, before, err)
    _indexes(after, before, err)
    _backwards(after, before, err)


def _counts(after: Side, before: Side, err: Errors) -> None:
    for field in COUNTS:
        rules.not_negative(after[field], _STATUS.at(field), err)
    ready, changed = after.number("ready"), any(after[field] != before[field] for field in ("ready", "active"))
    if ready > after.number("active") and changed:
        err.invalid(_STATUS.at("ready"), ready, "cannot set more ready pods than active")


def _uncounted(lists: Object, err: Errors) -> None:
    seen: set[str] = set()
    for field in ("succeeded", "failed"):
        for number, uid in enumerate(lists.get(field) or ()):
            at = _STATUS.at("uncountedTerminatedPods", field).index(number)
            if not uid:
                err.invalid(at, uid, "must not be empty")
            elif uid in seen:
                err.duplicate(at, uid)
            seen.add(uid)


def _contradictions(after: Side, before: Side, err: Errors) -> None:
    def turned(*kinds: str) -> bool:
        return any(after.holds(kind) != before.holds(kind) for kind in kinds)

    complete, failed, target = (after.holds(kind) for kind in ("Complete", "Failed", "FailureTarget"))
    met = after.holds("SuccessCriteriaMet")
    if complete and failed and turned("Complete", "Failed"):
        err.invalid_whole(_CONDITIONS, "cannot set Complete=True and Failed=true conditions")
    if complete and target and turned("Complete", "FailureTarget"):
        err.invalid_whole(_CONDITIONS, "cannot set Complete=True and FailureTarget=true conditions")
    if failed and not target and turned("Failed"):
        why = "cannot set Failed=True condition without the FailureTarget=true condition"
        err.invalid_whole(_CONDITIONS, why)
    if complete and not met and turned("Complete"):
        why = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        err.invalid_whole(_CONDITIONS, why)
    if met and failed:
        err.invalid_whole(_CONDITIONS, "cannot set SuccessCriteriaMet=True and Failed=true conditions")
    if met and target:
        err.invalid_whole(_CONDITIONS, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
    if dig(after.job, "spec", "successPolicy") is not None and complete and not met:
        why = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        err.invalid_whole(_CONDITIONS, why)


def _times(after: Side, before: Side, err: Errors) -> None:
    at, start, end = _STATUS.at("completionTime"), after["startTime"], after["completionTime"]
    restarted, reended = start != before["startTime"], end != before["completionTime"]
    complete = after.holds("Complete")
    if complete != before.holds("Complete") or reended:
        if end is not None and not complete:
            err.invalid(at, end, "cannot set completionTime when there is no Complete=True condition")
        if end is None and complete:
            err.required(at, "completionTime is required for Complete jobs")
    if start and end and (restarted or reended) and parse_timestamp(end) < parse_timestamp(start):
        err.invalid(at, end, "completionTime cannot be set before startTime")
    if end is not None and before["completionTime"] is not None and reended:
        err.invalid(at, end, "completionTime cannot be mutated")
    runs = not dig(after.job, "spec", "suspend")
    if before["startTime"] is not None and restarted and runs and not before.holds("Suspended"):
        err.required(_STATUS.at("startTime"), "startTime cannot be removed for unsuspended job")


def _finished(after: Side, before: Side, err: Errors) -> None:
    """What cannot be of a Job that has ended."""
    if not after.finished:
        return

    def changed(*fields: str) -> bool:
        return not before.finished or any(after[field] != before[field] for field in fields)

    for field in ("active", "terminating"):
        if after.number(field) > 0 and changed(field):
            err.invalid(_STATUS.at(field), after[field], f"{field}>0 is invalid for finished job")
    idle = dig(after.job, "spec", "suspend") and dig(after.job, "spec", "completions") == 0
    if after["startTime"] is None and changed("startTime") and not idle:
        err.required(_STATUS.at("startTime"), "startTime is required for finished job")
    lists = after["uncountedTerminatedPods"] or {}
    if any(lists.values()) and changed("uncountedTerminatedPods"):
        why = "uncountedTerminatedPods needs to be empty for finished job"
        err.invalid(_STATUS.at("uncountedTerminatedPods"), lists, why)


def _indexes(after: Side, before: Side, err: Errors) -> None:
    completed, failed = after["completedIndexes"] or "", after["failedIndexes"]
    spec = after.job.get("spec") or {}
    below, by_index = spec.get("completions"), spec.get("backoffLimitPerIndex") is not None
    completed_changed = completed != (before["completedIndexes"] or "")
    failed_changed = failed != before["failedIndexes"]
    if completed_changed and below is not None:
        _format("completedIndexes", completed, below, err)
    if failed_changed and failed is not None and below is not None and by_index:
        _format("failedIndexes", failed, below, err)
    if completed_changed and completed and spec.get("completionMode") != "Indexed":
        why = "cannot set non-empty completedIndexes when non-indexed completion mode"
        err.invalid(_STATUS.at("completedIndexes"), completed, why)
    if failed_changed and failed is not None and not by_index:
        why = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        err.invalid(_STATUS.at("failedIndexes"), failed, why)
    shared = None
    if (completed_changed or failed_changed) and failed and below is not None:
        shared = indexes.overlap(completed, failed, below)
    if shared is not None:
        why = f"failedIndexes and completedIndexes overlap at index: {shared}"
        err.invalid(_STATUS.at("failedIndexes"), failed, why)


def _format(field: str, text: str, below: int, err: Errors) -> None:
    try:
        indexes.count(text, below)
    except indexes.Malformed as error:
        err.invalid(_STATUS.at(field), text, f"error parsing {field}: {error}")


def _backwards(after: Side, before: Side, err: Errors) -> None:
    """What has been said and counted stays."""
    for kind in ("Failed", "Complete", "FailureTarget"):
        if before.holds(kind) and not after.holds(kind):
            err.invalid_whole(_CONDITIONS, f"cannot disable the terminal {kind}=True condition")
    spec = after.job.get("spec") or {}
    shrinks = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    for field in ("failed",) if shrinks else ("failed", "succeeded"):
        if after.number(field) < before.number(field):
            err.invalid(_STATUS.at(field), after.number(field), f"cannot decrease the {field} counter")
    met, was_met = after.holds("SuccessCriteriaMet"), before.holds("SuccessCriteriaMet")
    if was_met and not met:
        err.invalid_whole(_CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition")
    if before.holds("Complete") and not was_met and met:
        why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        err.invalid_whole(_CONDITIONS, why)
