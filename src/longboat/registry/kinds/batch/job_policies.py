"""What a Job's policies may say (batch/v1 PodFailurePolicy, SuccessPolicy, PodReplacementPolicy)."""

from __future__ import annotations

from longboat.machinery.fieldpath import Errors, Path, quoted
from longboat.machinery.objects import Object, dig
from longboat.machinery.types.emptied import as_sent
from longboat.registry.kinds import rules
from longboat.registry.kinds.batch import indexes

MOST_RULES, MOST_PATTERNS, MOST_EXIT_CODES = 20, 20, 255
LONGEST_LIST = 64 * 1024  # bytes of succeededIndexes
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS = ("In", "NotIn")
STATUSES = ("False", "True", "Unknown")
REPLACEMENTS = ("Failed", "TerminatingOrFailed")


def failure(spec: Object, path: Path, err: Errors) -> None:
    found, at = spec["podFailurePolicy"].get("rules") or [], path.at("rules")
    if len(found) > MOST_RULES:
        err.too_many(at, len(found), MOST_RULES)
    pod = dig(spec, "template", "spec", default={})
    names = {c.get("name") for field in ("containers", "initContainers") for c in pod.get(field) or ()}
    for number, rule in enumerate(found):
        _failure_rule(spec, rule, names, at.index(number), err)


def _failure_rule(spec: Object, rule: Object, names: set[str], path: Path, err: Errors) -> None:
    if rule.get("action") == "FailIndex":
        if spec.get("backoffLimitPerIndex") is None:
            err.invalid(path.at("action"), "FailIndex", "requires the backoffLimitPerIndex to be set")
    else:
        _word(rule.get("action"), ACTIONS, path.at("action"), err)
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or []
    if codes is not None:
        _exit_codes(codes, names, path.at("onExitCodes"), err)
    if conditions:
        _conditions(conditions, path.at("onPodConditions"), err)
    if codes is not None and conditions:
        err.invalid_whole(path, "specifying both OnExitCodes and OnPodConditions is not supported")
    if codes is None and not conditions:
        err.invalid_whole(path, "specifying one of OnExitCodes and OnPodConditions is required")


def _word(value: str | None, allowed: tuple[str, ...], path: Path, err: Errors) -> None:
    if not value:
        err.required(path, f"valid values: [{' '.join(map(quoted, allowed))}]")
    elif value not in allowed:
        err.not_supported(path, value, allowed)


def _conditions(patterns: list[Object], path: Path, err: Errors) -> None:
    if len(patterns) > MOST_PATTERNS:
        err.too_many(path, len(patterns), MOST_PATTERNS)
    for number, pattern in enumerate(patterns):
        at = path.index(number)
        rules.label_name(pattern.get("type") or "", at.at("type"), err)
        _word(pattern.get("status"), STATUSES, at.at("status"), err)


def _exit_codes(wanted: Object, names: set[str], path: Path, err: Errors) -> None:
    _word(wanted.get("operator"), OPERATORS, path.at("operator"), err)
    name, values, at = wanted.get("containerName"), as_sent(wanted, "values"), path.at("values")
    if name is not None and name not in names:
        why = "must be one of the container or initContainer names in the pod template"
        err.invalid(path.at("containerName"), name, why)
    if not values:
        err.invalid(at, values, "at least one value is required")
        return
    if len(values) > MOST_EXIT_CODES:
        err.too_many(at, len(values), MOST_EXIT_CODES)
    seen: set[int] = set()
    for number, value in enumerate(values):
        if value == 0 and wanted.get("operator") == "In":
            err.invalid(at.index(number), value, "must not be 0 for the In operator")
        if value in seen:
            err.duplicate(at.index(number), value)
        seen.add(value)
    if values != sorted(values):
        err.invalid(at, values, "must be ordered")


def success(spec: Object, path: Path, err: Errors) -> None:
    """Of an indexed Job."""
    found, at = spec["successPolicy"].get("rules") or [], path.at("rules")
    if not found:
        err.required(at, "at least one rules must be specified when the successPolicy is specified")
    if len(found) > MOST_RULES:
        err.too_many(at, len(found), MOST_RULES)
    for number, rule in enumerate(found):
        _success_rule(rule, spec.get("completions") or 0, at.index(number), err)


def _success_rule(rule: Object, completions: int, path: Path, err: Errors) -> None:
    listed, wanted, total = rule.get("succeededIndexes"), rule.get("succeededCount"), 0
    if listed is None and wanted is None:
        err.required(path, "at least one of succeededCount or succeededIndexes must be specified")
    if listed is not None:
        at = path.at("succeededIndexes")
        if len(listed) > LONGEST_LIST:
            err.too_long(at, LONGEST_LIST)
        try:
            total = indexes.count(listed, completions)
        except indexes.Malformed as error:
            err.invalid(at, listed, f"error parsing succeededIndexes: {error}")
    if wanted is not None:
        at = path.at("succeededCount")
        rules.not_negative(wanted, at, err)
        if wanted > completions:
            why = f"must be less than or equal to {completions} (the number of specified completions)"
            err.invalid(at, wanted, why)
        if listed is not None and wanted > total:
            what = "the number of indexes in the specified succeededIndexes field"
            err.invalid(at, wanted, f"must be less than or equal to {total} ({what})")


def replacement(spec: Object, path: Path, err: Errors) -> None:
    allowed = REPLACEMENTS if spec.get("podFailurePolicy") is None else ("Failed",)
    if (policy := spec.get("podReplacementPolicy")) is not None and policy not in allowed:
        err.not_supported(path, policy, allowed)
