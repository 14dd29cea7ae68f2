"""Jobs and pods as the controller sees them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from longboat.controllers.job.views import FAILURES, FINALIZER, IGNORED, INDEX, Job, JobPod
from longboat.machinery.objects import timestamp

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(status: dict[str, Any] | None = None, **spec: Any) -> Job:
    meta = {"name": "work", "namespace": "default", "uid": "job"}
    return msgspec.convert({"metadata": meta, "spec": {"completions": 4, **spec}, "status": status or {}}, Job)


def indexed(status: dict[str, Any] | None = None, **spec: Any) -> Job:
    return job(status, completionMode="Indexed", **spec)


def pod(
    uid: str, phase: str = "Running", *, index: int | None = None, code: int | None = None, ended: float = 0,
    failures: int = 0, ignored: int = 0, going: bool = False, tracked: bool = True, conditions: tuple[str, ...] = (),
) -> JobPod:  # fmt: skip
    """`ended` is in seconds before NOW."""
    notes = {FAILURES: str(failures), IGNORED: str(ignored)}
    moment = timestamp(NOW - timedelta(seconds=ended))
    meta = {
        "name": uid, "namespace": "default", "uid": uid, "creationTimestamp": moment,
        "annotations": notes if index is None else {**notes, INDEX: str(index)},
        "finalizers": [FINALIZER] if tracked else [], "deletionTimestamp": moment if going else None,
    }  # fmt: skip
    state = {"terminated": {"exitCode": code, "finishedAt": moment}} if code is not None else {}
    status = {
        "phase": phase, "conditions": [{"type": kind, "status": "True"} for kind in conditions],
        "containerStatuses": [{"name": "c", "state": state}],
    }  # fmt: skip
    return msgspec.convert({"metadata": meta, "status": status}, JobPod)
