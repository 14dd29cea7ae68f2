"""The pods of a Job. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.controllers import ownership
from longboat.controllers.job.policies import judge
from longboat.controllers.job.views import FAILURES, FINALIZER, IGNORED, INDEX, Job, JobPod

LONGEST_PREFIX = 58  # what a generated name keeps of its prefix


def pod_of(job: Job, index: int | None, last: JobPod | None = None) -> dict[str, Any]:
    """The pod to create; of an indexed Job, the one for this index, in place of the `last` that failed."""
    meta, spec = job.spec.template.metadata, msgspec.json.decode(job.spec.template.spec)
    labels, annotations = dict(meta.get("labels") or {}), dict(meta.get("annotations") or {})
    prefix = f"{job.metadata.name}-"
    if index is not None:
        labels[INDEX] = annotations[INDEX] = str(index)
        spec["hostname"] = f"{job.metadata.name}-{index}"
        field = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            env = container.setdefault("env", [])
            if not any(variable["name"] == "JOB_COMPLETION_INDEX" for variable in env):
                env.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": field})
        suffix = f"-{index}-"
        prefix = job.metadata.name[: LONGEST_PREFIX - len(suffix)] + suffix
    if index is not None and job.by_index:
        annotations |= _failures(job, last)
    held = [each for each in meta.get("finalizers") or () if each != FINALIZER]
    made = {
        "generateName": prefix, "labels": labels, "annotations": annotations, "finalizers": [*held, FINALIZER],
        "ownerReferences": [ownership.owner_reference(job)],
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": spec}


def _failures(job: Job, last: JobPod | None) -> dict[str, str]:
    """How often the index has failed so far."""
    if last is None:
        return {FAILURES: "0"}
    counts = judge(job, last).counts
    failures, ignored = last.counted_failures, last.all_failures - last.counted_failures
    failures, ignored = (failures + 1, ignored) if counts else (failures, ignored + 1)
    return {FAILURES: str(failures), **({IGNORED: str(ignored)} if ignored else {})}
