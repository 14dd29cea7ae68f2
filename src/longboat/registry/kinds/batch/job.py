"""Job: pods that run until enough of them have succeeded."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from longboat.api import kinds
from longboat.machinery import names, selectors
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, meta
from longboat.machinery.table import AGE, Column
from longboat.machinery.types import internal
from longboat.registry.kinds import cells, fill, rules, workload
from longboat.registry.kinds.batch import job_spec, job_status
from longboat.registry.kinds.core.pod import defaults, notes
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Deletion, Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
POLICIES = {
    "podFailurePolicy": "io.k8s.api.batch.v1.PodFailurePolicy",
    "successPolicy": "io.k8s.api.batch.v1.SuccessPolicy",
}
KEPT = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)
PREFIX = "batch.kubernetes.io/"
SHOWN = (("Complete", "Complete"), ("Failed", "Failed"))
SHOWN_LATER = (("Suspended", "Suspended"), ("FailureTarget", "FailureTarget"),
               ("SuccessCriteriaMet", "SuccessCriteriaMet"))  # fmt: skip


def _true(job: Object, kind: str) -> bool:
    conditions = dig(job, "status", "conditions", default=())
    return any(c.get("type") == kind and c.get("status") == "True" for c in conditions)


def status(job: Object) -> str:
    for kind, shown in SHOWN:
        if _true(job, kind):
            return shown
    if dig(job, "metadata", "deletionTimestamp"):
        return "Terminating"
    return next((shown for kind, shown in SHOWN_LATER if _true(job, kind)), "Running")


def completions(job: Object) -> str:
    done, wanted = dig(job, "status", "succeeded", default=0), dig(job, "spec", "completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = dig(job, "spec", "parallelism", default=0)
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def duration(job: Object, now: datetime) -> str:
    start, end = dig(job, "status", "startTime"), dig(job, "status", "completionTime")
    return cells.span(start, end or now) if start else ""


class Job(Strategy):
    kind = kinds.JOB
    columns = (
        Column("Status", str, status, description="How far it is."),
        Column("Completions", str, completions, description="How many pods have succeeded, of how many wanted."),
        Column("Duration", str, duration, description="How long it ran.", timed=True),
        AGE,
        *cells.template("spec", "template"),
        workload.SELECTOR,
    )
    has_status = True
    update_order = (*WHOLE_METADATA, OBJECT, *WHOLE_METADATA_CHANGE, CHANGE)
    selectable = frozenset(("status.successful",))

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        if spec.get("completions") is None and spec.get("parallelism") is None:
            spec["completions"] = 1
        fill.absent(spec, "parallelism", 1)
        fill.absent(spec, "backoffLimit", rules.MAX_INT32 if spec.get("backoffLimitPerIndex") is not None else 6)
        fill.absent(spec, "completionMode", "NonIndexed")
        fill.absent(spec, "suspend", False)
        fill.absent(spec, "manualSelector", False)
        failing = spec.get("podFailurePolicy") is not None
        fill.absent(spec, "podReplacementPolicy", "Failed" if failing else "TerminatingOrFailed")
        for rule in fill.each(spec.get("podFailurePolicy") or {}, "rules"):
            for pattern in fill.each(rule, "onPodConditions"):
                fill.empty(pattern, "status", "True")
        defaults.template(fill.part(spec, "template"))
        _label_as_its_pods(obj)
        fill.part(obj, "status")

    def default_propagation(self) -> str:
        return "Orphan"  # of batch/v1 as it was before there was a garbage collector

    def warnings_on_deletion(self, wish: Deletion) -> list[str]:
        return [] if wish.propagation else [KEPT]

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}
        if not new["spec"].get("manualSelector"):
            _own_selector(new)
            _label_as_its_pods(new)  # upstream defaults once more as it reads what it has stored

    def fields(self, obj: Object) -> dict[str, str]:
        return {"status.successful": str(dig(obj, "status", "succeeded", default=0))}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        if not spec.get("manualSelector") and spec.get("selector") is not None:
            _check_own_selector(new, err)
        job_spec.validate(spec, _SPEC, err)
        _check_selector(spec, err)
        if spec.get("completionMode") == "Indexed" and (spec.get("completions") or 0) > 0:
            name = meta(new).get("name") or ""
            longest = f"{name}-{spec['completions'] - 1}"
            if names.dns1123_label(longest):
                why = f"will not able to create pod with invalid DNS label: {longest}"
                err.invalid(Path("metadata", "name"), name, why)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        spec, former = new.get("spec") or {}, old.get("spec") or {}
        job_spec.validate(spec, _SPEC, err)
        _check_selector(spec, err)
        completions, at = spec.get("completions"), _SPEC.at("completions")
        if spec.get("completionMode") != "Indexed":
            rules.immutable(completions, former.get("completions"), at, err)
        elif completions not in (None, former.get("completions")) and completions != spec.get("parallelism"):
            err.invalid(at, completions, "can only be modified in tandem with spec.parallelism")
        rules.immutable(spec.get("selector"), former.get("selector"), _SPEC.at("selector"), err)
        template, before = spec.get("template") or {}, former.get("template") or {}
        if _rests(old):
            before = _with_what_may_change(before, template)
        metadata = template.get("metadata") or {}
        if _bare(metadata) != _bare(before.get("metadata") or {}):
            err.invalid(_SPEC.at("template", "metadata"), metadata, rules.IMMUTABLE)
        if _bare(template.get("spec")) != _bare(before.get("spec")):
            shown = internal.whole(f"{internal.CORE}PodSpec", template.get("spec"))
            err.invalid(_SPEC.at("template", "spec"), shown, rules.IMMUTABLE)
        for field in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
            if spec.get(field) != former.get(field):  # 0 is not the same as nothing
                shown, shape = spec.get(field), POLICIES.get(field)
                err.invalid(_SPEC.at(field), internal.whole(shape, shown) if shape else shown, rules.IMMUTABLE)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        job_status.validate(new, old, err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        name = notes.pods_names(new) if old is None else []
        return [*name, *job_spec.warnings(new.get("spec") or {}, _SPEC)]


def _label_as_its_pods(job: Object) -> None:
    if not meta(job).get("labels") and (found := dig(job, "spec", "template", "metadata", "labels")):
        meta(job)["labels"] = dict(found)


def _check_selector(spec: Object, err: Errors) -> None:
    if spec.get("selector") is None:
        err.required(_SPEC.at("selector"))
    found = err.count
    rules.label_selector(spec.get("selector"), _SPEC.at("selector"), err)
    if err.count == found:
        workload.matches(spec, spec.get("selector"), err)


def _own_labels(job: Object) -> dict[str, str]:
    """Labels that only this job's pods have, as they are named now and were named once."""
    uid, name = (meta(job).get(field) or "" for field in ("uid", "name"))
    return {"controller-uid": uid, "job-name": name, f"{PREFIX}controller-uid": uid, f"{PREFIX}job-name": name}


def _own_selector(job: Object) -> None:
    """Give the job's pods labels of their own, and a selector for them; what the user says stays, and is refused."""
    labels = fill.part(fill.part(fill.part(job["spec"], "template"), "metadata"), "labels")
    for key, value in _own_labels(job).items():
        labels.setdefault(key, value)
    selector = fill.part(fill.part(job["spec"], "selector"), "matchLabels")
    selector.setdefault(f"{PREFIX}controller-uid", meta(job).get("uid") or "")


def _check_own_selector(job: Object, err: Errors) -> None:
    path, own = _SPEC.at("template", "metadata", "labels"), _own_labels(job)
    labels = dig(job, "spec", "template", "metadata", "labels", default={})
    for key, value in own.items():
        if key not in labels:
            err.required(path.key(key), f"must be '{value}'")
        elif labels[key] != value:
            err.invalid(path.key(key), labels, f"must be '{value}'")
    if not selectors.from_api(job["spec"]["selector"]).matches(own):
        err.invalid(_SPEC.at("selector"), job["spec"]["selector"], "`selector` not auto-generated")


def _rests(job: Object) -> bool:
    """Whether none of its pods is at work, nor will be before it is resumed (KEP-5440)."""
    suspended = dig(job, "spec", "suspend") and not dig(job, "status", "active")
    return bool(suspended) and (not dig(job, "status", "startTime") or _true(job, "Suspended"))


def _with_what_may_change(old: Object, new: Object) -> Object:
    """The old template with the new one's scheduling directives and resources (KEP-2926, KEP-5440)."""
    pod, wanted = dict(old.get("spec") or {}), new.get("spec") or {}
    pod |= {field: wanted.get(field) for field in ("nodeSelector", "tolerations", "schedulingGates")}
    affinity = _bare({**(pod.get("affinity") or {}), "nodeAffinity": dig(wanted, "affinity", "nodeAffinity")})
    pod["affinity"] = affinity or (None if wanted.get("affinity") is None else {})
    for field in ("containers", "initContainers"):
        mine, theirs = pod.get(field) or [], wanted.get(field) or []
        if len(mine) == len(theirs):
            pairs = zip(mine, theirs, strict=True)
            pod[field] = [{**one, "resources": other.get("resources")} for one, other in pairs]
    metadata = dict(old.get("metadata") or {})
    metadata |= {field: dig(new, "metadata", field) for field in ("labels", "annotations")}
    return {**old, "metadata": metadata, "spec": pod}


def _bare(value: Any) -> Any:
    """Without what is null or an empty list, at every depth: that says no more than nothing."""
    if isinstance(value, dict):
        return {field: _bare(each) for field, each in value.items() if each is not None and each != []}
    return [_bare(each) for each in value] if isinstance(value, list) else value
