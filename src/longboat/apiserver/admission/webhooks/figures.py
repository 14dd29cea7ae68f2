"""How webhooks fared, for Prometheus: names, labels and help are upstream's (apiserver, admission/metrics)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from longboat.machinery.exposition import Family, Sample

OPEN, REJECTED = "apiserver_admission_webhook_fail_open_count", "apiserver_admission_webhook_rejection_count"
LABELS = {OPEN: ("name", "type"), REJECTED: ("name", "type", "operation", "error_type", "rejection_code")}
HELP = {
    OPEN: "[ALPHA] Admission webhook fail open count, identified by name and broken out for each admission type "
    "(validating or mutating).",
    REJECTED: "[ALPHA] Admission webhook rejection count, identified by name and broken out for each admission type "
    "(validating or admit) and operation. Additional labels specify an error type (calling_webhook_error or "
    "apiserver_internal_error if an error occurred; no_error otherwise) and optionally a non-zero rejection code if "
    "the webhook rejects the request with an HTTP status code (honored by the apiserver when the code is greater or "
    "equal to 400). Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded.",
}
MOST = 1000  # of each name: who configures webhooks chooses what they are called


class Figures:
    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in LABELS}

    def failed_open(self, name: str, mutating: bool) -> None:
        self._add(OPEN, (name, "admit" if mutating else "validating"))

    def rejected(self, name: str, mutating: bool, operation: str, code: int) -> None:
        """`code`: the webhook's; 0 where it could not be asked."""
        error = "no_error" if code else "calling_webhook_error"
        self._add(REJECTED, (name, "admit" if mutating else "validating", operation, error, str(min(code, 600))))

    def _add(self, name: str, labels: tuple[str, ...]) -> None:
        counts = self._counts[name]
        if labels in counts or len(counts) < MOST:
            counts[labels] += 1

    def families(self) -> Iterator[Family]:
        for name, labels in LABELS.items():
            samples = [Sample(n, dict(zip(labels, key, strict=True))) for key, n in self._counts[name].copy().items()]
            yield Family(name, "counter", HELP[name], samples)
