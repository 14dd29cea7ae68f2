"""Job: pods that run until enough of them have succeeded."""

from __future__ import annotations

from datetime import datetime

from longboat.api import kinds
from longboat.machinery import selectors
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, meta
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, rules, workload
from longboat.registry.kinds.core.pod import defaults, notes
from longboat.registry.kinds.core.pod import spec as pod_spec
from longboat.registry.strategy import Context, Strategy

_SPEC = Path("spec")
PREFIX = "batch.kubernetes.io/"
MODES = ("Indexed", "NonIndexed")
NON_NEGATIVE = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
                "maxFailedIndexes", "backoffLimitPerIndex")  # fmt: skip
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
        if not meta(obj).get("labels") and (found := dig(spec, "template", "metadata", "labels")):
            meta(obj)["labels"] = dict(found)
        fill.part(obj, "status")

    def default_propagation(self) -> str:
        return "Orphan"  # of batch/v1 as it was before there was a garbage collector

    def prepare_create(self, new: Object, ctx: Context) -> None:
        new["status"] = {}
        if not new["spec"].get("manualSelector"):
            _own_selector(new)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        if not new["spec"].get("selector"):
            new["spec"]["selector"] = dig(old, "spec", "selector")

    def fields(self, obj: Object) -> dict[str, str]:
        return {"status.successful": str(dig(obj, "status", "succeeded", default=0))}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        if spec.get("selector") is None:
            err.required(_SPEC.at("selector"))
        else:
            rules.label_selector(spec["selector"], _SPEC.at("selector"), err)
            labels = dig(spec, "template", "metadata", "labels", default={})
            if not selectors.from_api(spec["selector"]).matches(labels):
                why = "`selector` does not match template `labels`"
                err.invalid(_SPEC.at("template", "metadata", "labels"), labels, why)
        validate_spec(spec, _SPEC, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        spec, former = new.get("spec") or {}, old.get("spec") or {}
        for field in ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy",
                      "successPolicy"):  # fmt: skip
            rules.immutable(spec.get(field), former.get(field), _SPEC.at(field), err)
        if spec.get("completionMode") != "Indexed":
            rules.immutable(spec.get("completions"), former.get("completions"), _SPEC.at("completions"), err)
        suspended = former.get("suspend") and not dig(old, "status", "startTime")
        if not suspended:
            rules.immutable(spec.get("template"), former.get("template"), _SPEC.at("template"), err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return notes.workload(new, old)


def _own_selector(job: Object) -> None:
    """Labels that only this job's pods have, and the selector for them."""
    uid, name = (meta(job).get(field) or "" for field in ("uid", "name"))
    labels = fill.part(fill.part(fill.part(job["spec"], "template"), "metadata"), "labels")
    labels |= {"controller-uid": uid, "job-name": name, f"{PREFIX}controller-uid": uid, f"{PREFIX}job-name": name}
    selector = fill.part(job["spec"], "selector")
    fill.part(selector, "matchLabels")[f"{PREFIX}controller-uid"] = uid


def validate_spec(spec: Object, path: Path, err: Errors) -> None:
    """A JobSpec, but for its selector (a CronJob's has none yet)."""
    for field in NON_NEGATIVE:
        rules.not_negative(spec.get(field), path.at(field), err)
    mode = spec.get("completionMode")
    if mode is not None and mode not in MODES:
        err.not_supported(path.at("completionMode"), mode, MODES)
    if mode == "Indexed" and spec.get("completions") is None:
        err.required(path.at("completions"), "when completion mode is Indexed")
    rules.maybe_one_of(
        spec.get("podReplacementPolicy"), ("Failed", "TerminatingOrFailed"), path.at("podReplacementPolicy"), err
    )
    pod_spec.template(spec.get("template"), path.at("template"), err)
    policy, at = dig(spec, "template", "spec", "restartPolicy"), path.at("template", "spec", "restartPolicy")
    if policy == "Always":
        err.required(at, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        err.not_supported(at, policy or "", ("OnFailure", "Never"))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        err.invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')
