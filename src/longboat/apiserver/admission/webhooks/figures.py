"""How webhooks fared, for Prometheus: names, labels and help are upstream's (apiserver, admission/metrics)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from longboat.aio.histogram import Histogram
from longboat.apiserver.admission.outcome import Outcome
from longboat.machinery.exposition import Family, Sample, spread

OPEN, REJECTED, ASKED, SECONDS, ERRORS, EXCLUDED, EVALUATED = (
    f"apiserver_admission_{name}"
    for name in (
        "webhook_fail_open_count",
        "webhook_rejection_count",
        "webhook_request_total",
        "webhook_admission_duration_seconds",
        "match_condition_evaluation_errors_total",
        "match_condition_exclusions_total",
        "match_condition_evaluation_seconds",
    )
)
NO_ERROR, CALLING, INTERNAL = "no_error", "calling_webhook_error", "apiserver_internal_error"
_CONDITION = ("name", "kind", "type", "operation")
LABELS = {
    OPEN: ("name", "type"),
    REJECTED: ("name", "type", "operation", "error_type", "rejection_code"),
    ASKED: ("name", "type", "operation", "code", "rejected"),
    ERRORS: _CONDITION,
    EXCLUDED: _CONDITION,
    SECONDS: ("name", "type", "operation", "rejected"),
    EVALUATED: _CONDITION,
}
_BOUNDS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5)
BOUNDS = {SECONDS: (*_BOUNDS, 10.0, 25.0), EVALUATED: _BOUNDS}
_CODES = "Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded."
_OF_CONDITION = (
    "identified by name of resource containing the match condition and broken out for each kind containing "
    "matchConditions (webhook or policy), operation and admission type (validate or admit)."
)
HELP = {
    OPEN: "[ALPHA] Admission webhook fail open count, identified by name and broken out for each admission type "
    "(validating or mutating).",
    REJECTED: "[ALPHA] Admission webhook rejection count, identified by name and broken out for each admission type "
    "(validating or admit) and operation. Additional labels specify an error type (calling_webhook_error or "
    "apiserver_internal_error if an error occurred; no_error otherwise) and optionally a non-zero rejection code if "
    "the webhook rejects the request with an HTTP status code (honored by the apiserver when the code is greater or "
    f"equal to 400). {_CODES}",
    ASKED: "[ALPHA] Admission webhook request total, identified by name and broken out for each admission type "
    "(validating or mutating) and operation. Additional labels specify whether the request was rejected or not and an "
    f"HTTP status code. {_CODES}",
    SECONDS: "[STABLE] Admission webhook latency histogram in seconds, identified by name and broken out for each "
    "operation and API resource and type (validate or admit).",
    ERRORS: f"[ALPHA] Admission match condition evaluation errors count, {_OF_CONDITION}",
    EXCLUDED: f"[ALPHA] Admission match condition evaluation exclusions count, {_OF_CONDITION}",
    EVALUATED: "[ALPHA] Admission match condition evaluation time in seconds, identified by name and broken out for "
    "each kind containing matchConditions (webhook or policy), operation and type (validate or admit).",
}
MOST = 1000  # of each name: who configures webhooks chooses what they are called


class Figures:
    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in LABELS if name not in BOUNDS}
        self._spread: dict[str, dict[tuple[str, ...], Histogram]] = {name: {} for name in BOUNDS}

    def failed_open(self, name: str, mutating: bool) -> None:
        self._add(OPEN, (name, _type(mutating)))

    def rejected(self, name: str, mutating: bool, operation: str, error: str, code: int) -> None:
        """`error`: NO_ERROR, CALLING or INTERNAL. `code`: the webhook's, or of why it could not be asked."""
        self._add(REJECTED, (name, _type(mutating), operation, error, str(min(code, 600))))

    def asked(self, name: str, mutating: bool, operation: str, seconds: float, code: int, rejected: bool) -> None:
        """`code`: 200 for what was answered and not refused."""
        type_, told = _type(mutating), "true" if rejected else "false"
        self._add(ASKED, (name, type_, operation, str(min(code, 600)), told))
        self._observe(SECONDS, (name, type_, operation, told), seconds)

    def evaluated(
        self, name: str, mutating: bool, operation: str, seconds: float, outcome: Outcome, kind: str = "webhook"
    ) -> None:
        """Its match conditions. `kind`: webhook or policy."""
        labels = (name, kind, "admit" if mutating else "validate", operation)
        self._observe(EVALUATED, labels, seconds)
        for _ in outcome.errors:
            self._add(ERRORS, labels)
        if not outcome.matches and not outcome.errors:
            self._add(EXCLUDED, labels)

    def _add(self, name: str, labels: tuple[str, ...]) -> None:
        counts = self._counts[name]
        if labels in counts or len(counts) < MOST:
            counts[labels] += 1

    def _observe(self, name: str, labels: tuple[str, ...], seconds: float) -> None:
        found = self._spread[name]
        if labels not in found and len(found) < MOST:
            found[labels] = Histogram(BOUNDS[name])
        if labels in found:
            found[labels].observe(seconds)

    def families(self) -> Iterator[Family]:
        for name, counts in self._counts.items():
            samples = [Sample(n, _named(name, key)) for key, n in counts.copy().items()]
            yield Family(name, "counter", HELP[name], samples)
        for name, spreads in self._spread.items():
            found = [each for key, spread_ in spreads.copy().items() for each in spread(spread_, _named(name, key))]
            yield Family(name, "histogram", HELP[name], found)


def _named(name: str, key: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(LABELS[name], key, strict=True))


def _type(mutating: bool) -> str:
    return "admit" if mutating else "validating"
