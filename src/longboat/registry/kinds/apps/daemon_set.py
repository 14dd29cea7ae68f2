"""DaemonSet: one pod on each node that fits."""

from __future__ import annotations

import re

from longboat.api import kinds
from longboat.machinery import refusals
from longboat.machinery.fieldpath import Errors, Path, quoted
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.machinery.types import internal
from longboat.registry.kinds import cells, fill, rules, workload
from longboat.registry.kinds.core.pod import defaults, notes
from longboat.registry.kinds.core.pod import spec as pod_spec
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

COUNTS = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
TEMPLATE = "deprecated.daemonset.template.generation"
_SPEC = Path("spec")
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


def _count(name: str, field: str, description: str) -> Column:
    return Column(name, int, cells.at(f"status.{field}", 0), description=description)


class DaemonSet(Strategy):
    kind = kinds.DAEMON_SET
    columns = (
        _count("Desired", "desiredNumberScheduled", "On how many nodes it should run."),
        _count("Current", "currentNumberScheduled", "On how many of those it does."),
        _count("Ready", "numberReady", "How many of its pods are ready."),
        _count("Up-to-date", "updatedNumberScheduled", "Pods of the newest template."),
        _count("Available", "numberAvailable", "Pods ready for long enough."),
        Column("Node Selector", str, lambda obj: cells.labels(dig(obj, "spec", "template", "spec", "nodeSelector")),
               description="Which nodes it is for."),
        AGE,
        *cells.template("spec", "template"),
        workload.SELECTOR,
    )  # fmt: skip
    has_status = True

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        strategy = fill.part(spec, "updateStrategy")
        fill.empty(strategy, "type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            rolling = fill.part(strategy, "rollingUpdate")
            fill.absent(rolling, "maxUnavailable", 1)
            fill.absent(rolling, "maxSurge", 0)
        fill.absent(spec, "revisionHistoryLimit", 10)
        defaults.template(fill.part(spec, "template"))

    def prepare_create(self, new: Object, write: Write) -> None:
        _check_generation(new)
        new["status"] = {}
        annotations = new["metadata"].setdefault("annotations", {})
        annotations[TEMPLATE] = "1"

    def prepare_update(self, new: Object, old: Object, write: Write) -> None:
        """The number of the template, which old clients know by an annotation."""
        _check_generation(new)
        key = TEMPLATE
        former = int(dig(old, "metadata", "annotations", key, default="0") or 0)
        changed = dig(new, "spec", "template") != dig(old, "spec", "template")
        new["metadata"].setdefault("annotations", {})[key] = str(former + changed)

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        _selector(spec, err)
        pod_spec.template(spec.get("template"), _SPEC.at("template"), err)
        workload.runs_on(spec, err, "DaemonSet")
        rules.not_negative(spec.get("minReadySeconds"), _SPEC.at("minReadySeconds"), err)
        _strategy(spec.get("updateStrategy") or {}, _SPEC.at("updateStrategy"), err)
        rules.not_negative(spec.get("revisionHistoryLimit"), _SPEC.at("revisionHistoryLimit"), err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        workload.validate_update(new, old, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        more = (
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        )
        workload.validate_counts(new, err, *COUNTS, *more)
        workload.not_decremented(new, old, err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return notes.template(dig(new, "spec", "template"), _SPEC.at("template"))


def _selector(spec: Object, err: Errors) -> None:
    """Upstream does not ask for one: none matches nothing."""
    found, selector, at = err.count, spec.get("selector"), _SPEC.at("selector")
    rules.label_selector(selector, at, err)
    if err.count == found:
        workload.matches(spec, selector, err)
    if selector is not None and not (selector.get("matchLabels") or selector.get("matchExpressions")):
        err.invalid(at, selector, "empty selector is invalid for daemonset")


def _check_generation(obj: Object) -> None:
    """Of its template: upstream keeps it as a number, which it reads from the annotation. Raises StatusError."""
    text = dig(obj, "metadata", "annotations", TEMPLATE)
    if text is None:
        return
    why = "" if _INTEGER.fullmatch(text) else "invalid syntax"
    if not why and not -(1 << 63) <= int(text) < 1 << 63:
        why = "value out of range"
    if why:
        why = f"strconv.ParseInt: parsing {quoted(text)}: {why}"
        raise refusals.cannot_handle(kinds.DAEMON_SET, kinds.DAEMON_SET.name, kinds.DAEMON_SET.api_version, why)


def _strategy(strategy: Object, path: Path, err: Errors) -> None:
    match strategy.get("type"):
        case "OnDelete":
            return
        case "RollingUpdate":
            rolling, at = strategy.get("rollingUpdate"), path.at("rollingUpdate")
            if rolling is None:
                err.required(at)
                return
            unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
            for check in (rules.percent_or_count, rules.at_most_100_percent):
                for field, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
                    check(value, at.at(field), err)
            if rules.zero(unavailable) and rules.zero(surge):
                err.required(at.at("maxUnavailable"), "cannot be 0 when maxSurge is 0")
            if not rules.zero(unavailable) and not rules.zero(surge):
                err.invalid(at.at("maxSurge"), surge, "may not be set when maxUnavailable is non-zero")
        case _:
            shown = internal.whole("io.k8s.api.apps.v1.DaemonSetUpdateStrategy", strategy)
            err.not_supported(path, shown, ("RollingUpdate", "OnDelete"), as_given=True)
