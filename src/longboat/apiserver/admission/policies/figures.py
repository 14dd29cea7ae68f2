"""How policies fared, for Prometheus: names, labels and help are upstream's (apiserver, plugin/policy)."""

from __future__ import annotations

from collections.abc import Iterator

from longboat.aio.histogram import Histogram
from longboat.machinery.exposition import Family, Sample, spread

BOUNDS = (0.0000005, 0.001, 0.01, 0.1, 1.0)
VALIDATING, MUTATING = "apiserver_validating_admission_policy", "apiserver_mutating_admission_policy"
LABELS = {
    VALIDATING: ("policy", "policy_binding", "error_type", "enforcement_action"),
    MUTATING: ("policy", "policy_binding", "error_type"),
}
HELP = {
    VALIDATING: (
        "[BETA] Validation admission policy check total, labeled by policy and further identified by binding and "
        "enforcement action taken.",
        "[BETA] Validation admission latency for individual validation expressions in seconds, labeled by policy and "
        "further including binding and enforcement action taken.",
    ),
    MUTATING: (
        "[ALPHA] Mutation admission policy check total, labeled by policy and further identified by binding.",
        "[ALPHA] Mutation admission latency for individual mutation expressions in seconds, labeled by policy and "
        "binding.",
    ),
}
MOST = 1000  # of each: who configures policies chooses what they are called
NONE, COMPILE, BUDGET, INVALID = "no_error", "compile_error", "out_of_budget", "invalid_error"


def error_type(error: str) -> str:
    if not error:
        return NONE
    if error.startswith("compilation"):
        return COMPILE
    return BUDGET if error.startswith("validation failed due to running out of cost budget") else INVALID


class Figures:
    def __init__(self) -> None:
        self._checks: dict[str, dict[tuple[str, ...], Histogram]] = {VALIDATING: {}, MUTATING: {}}

    def validated(self, policy: str, binding: str, error: str, action: str, seconds: float) -> None:
        """`action`: allow, deny, audit or warn. What holds is not counted, as upstream does not."""
        self._note(VALIDATING, (policy, binding, error_type(error), action), seconds)

    def mutated(self, policy: str, binding: str, error: str, seconds: float) -> None:
        self._note(MUTATING, (policy, binding, error_type(error)), seconds)

    def _note(self, name: str, labels: tuple[str, ...], seconds: float) -> None:
        checks = self._checks[name]
        found = checks.get(labels)
        if found is None:
            if len(checks) >= MOST:
                return
            found = checks[labels] = Histogram(BOUNDS)
        found.observe(seconds)

    def families(self) -> Iterator[Family]:
        for name, checks in self._checks.items():
            labelled = [(dict(zip(LABELS[name], key, strict=True)), found) for key, found in checks.copy().items()]
            total, latency = HELP[name]
            yield Family(
                f"{name}_check_total", "counter", total, [Sample(found.count, labels) for labels, found in labelled]
            )
            yield Family(
                f"{name}_check_duration_seconds", "histogram", latency,
                [sample for labels, found in labelled for sample in spread(found, labels)],
            )  # fmt: skip
