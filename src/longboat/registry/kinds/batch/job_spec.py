"""What a JobSpec may say: a Job's own, or that of a CronJob's template."""

from __future__ import annotations

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.types import internal
from longboat.registry.kinds import rules
from longboat.registry.kinds.batch import job_policies
from longboat.registry.kinds.core.pod import notes
from longboat.registry.kinds.core.pod import spec as pod_spec
from longboat.registry.kinds.networking.ingress_class import domain_prefixed

MODES = ("NonIndexed", "Indexed")
NON_NEGATIVE = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
                "backoffLimitPerIndex", "maxFailedIndexes")  # fmt: skip
NEEDS_INDEXES = "requires indexed completion mode"
MANY_INDEXES, FEWER = 100_000, 10_000
LONGEST_MANAGER = 63
TOO_MANY_TO_TRACK = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, "
    "Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
)


def warnings(spec: Object, path: Path) -> list[str]:
    """What is to be said of a JobSpec."""
    said = []
    if spec.get("completionMode") == "Indexed":
        completions, parallelism = spec.get("completions") or 0, spec.get("parallelism") or 0
        if completions > MANY_INDEXES and parallelism > FEWER:
            said.append(f"{path}: {TOO_MANY_TO_TRACK}")
    return said + notes.template(spec.get("template"), path.at("template"))


def validate(spec: Object, path: Path, err: Errors) -> None:
    """A JobSpec, but for its selector (a CronJob's has none yet)."""
    for field in NON_NEGATIVE:
        rules.not_negative(spec.get(field), path.at(field), err)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        err.required(path.at("backoffLimitPerIndex"), "when maxFailedIndexes is specified")
    if (manager := spec.get("managedBy")) is not None:
        _check_manager(manager, path.at("managedBy"), err)
    mode = spec.get("completionMode")
    if mode is not None and mode not in MODES:
        err.not_supported(path.at("completionMode"), mode, MODES, as_given=True)
    if mode == "Indexed":
        _check_sizes(spec, path, err)
    elif mode in (None, "NonIndexed"):
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                err.invalid(path.at(field), spec[field], NEEDS_INDEXES)
    if spec.get("podFailurePolicy") is not None:
        job_policies.failure(spec, path.at("podFailurePolicy"), err)
    if (policy := spec.get("successPolicy")) is not None:
        if mode == "Indexed":
            job_policies.success(spec, path.at("successPolicy"), err)
        else:
            shown = internal.whole("io.k8s.api.batch.v1.SuccessPolicy", policy)
            err.invalid(path.at("successPolicy"), shown, NEEDS_INDEXES)
    job_policies.replacement(spec, path.at("podReplacementPolicy"), err)
    pod_spec.template(spec.get("template"), path.at("template"), err)
    restart, at = dig(spec, "template", "spec", "restartPolicy"), path.at("template", "spec", "restartPolicy")
    if restart in (None, "", "Always"):
        err.required(at, 'valid values: "OnFailure", "Never"')
    elif restart not in ("OnFailure", "Never"):
        err.not_supported(at, restart, ("OnFailure", "Never"), as_given=True)
    elif spec.get("podFailurePolicy") is not None and restart != "Never":
        err.invalid(at, restart, 'only "Never" is supported when podFailurePolicy is specified')


def _check_manager(name: str, path: Path, err: Errors) -> None:
    if not name:
        err.required(path)
    else:
        domain_prefixed(name, path, err)
    if len(name) > LONGEST_MANAGER:
        err.too_long(path, LONGEST_MANAGER)


def _check_sizes(spec: Object, path: Path, err: Errors) -> None:
    """Of an indexed Job: its status is to hold the indexes that are done, and those that failed."""
    completions, parallelism, failures = (
        spec.get(field) for field in ("completions", "parallelism", "maxFailedIndexes")
    )
    at, most = path.at("parallelism"), path.at("maxFailedIndexes")
    if completions is None:
        err.required(path.at("completions"), "when completion mode is Indexed")
    if (parallelism or 0) > MANY_INDEXES:
        why = f"must be less than or equal to {MANY_INDEXES} when completion mode is Indexed"
        err.invalid(at, parallelism, why)
    if completions is not None and (failures or 0) > completions:
        err.invalid(most, failures, "must be less than or equal to completions")
    if (failures or 0) > MANY_INDEXES:
        err.invalid(most, failures, f"must be less than or equal to {MANY_INDEXES}")
    if (completions or 0) <= MANY_INDEXES or spec.get("backoffLimitPerIndex") is None:
        return
    when = f"when completions are above {MANY_INDEXES} and used with backoff limit per index"
    if failures is None:
        err.required(most, f"must be specified when completions is above {MANY_INDEXES}")
    if (parallelism or 0) > FEWER:
        err.invalid(at, parallelism, f"must be less than or equal to {FEWER} {when}")
    if (failures or 0) > FEWER:
        err.invalid(most, failures, f"must be less than or equal to {FEWER} {when}")
