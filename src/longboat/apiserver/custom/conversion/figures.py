"""How conversions fared, for Prometheus: names, labels, buckets and help are upstream's (apiextensions, conversion)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from longboat.aio.histogram import Histogram, exponential
from longboat.machinery.exposition import Family, Sample, spread

REQUESTS, SECONDS = "apiserver_conversion_webhook_request_total", "apiserver_conversion_webhook_duration_seconds"
BY_DEFINITION = "apiserver_crd_conversion_webhook_duration_seconds"
HELP = {
    REQUESTS: "[ALPHA] Counter for conversion webhook requests with success/failure and failure error type",
    SECONDS: "[ALPHA] Conversion webhook request latency",
    BY_DEFINITION: "[ALPHA] CRD webhook conversion duration in seconds",
}
_BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 45, 60)  # seconds
_FINE = exponential(0.001, 2, 15)  # seconds
_RESULT, _PAIR = ("result", "failure_type"), ("crd_name", "from_version", "to_version", "succeeded")
MOST = 1000  # of each name: who defines kinds chooses what they are called

CALL, MALFORMED, PARTIAL, INVALID = (
    f"conversion_webhook_{what}_failure"
    for what in ("call", "malformed_response", "partial_response", "invalid_converted_object")
)  # fmt: skip


class ConversionFigures:
    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str]] = Counter()
        self._seconds: dict[tuple[str, str], Histogram] = {}
        self._pairs: dict[tuple[str, str, str, str], Histogram] = {}

    def done(self, definition: str, source: str, to: str, seconds: float, failure: str = "") -> None:
        """`source`, `to`: versions without their group. `failure`: of which kind, "" for none."""
        result = ("failure" if failure else "success", failure)
        self._requests[result] += 1
        self._seconds.setdefault(result, Histogram(_BOUNDS)).observe(seconds)
        pair = (definition, source, to, "false" if failure else "true")
        if pair in self._pairs or len(self._pairs) < MOST:
            self._pairs.setdefault(pair, Histogram(_FINE)).observe(seconds)

    def families(self) -> Iterator[Family]:
        counts = self._requests.copy().items()
        yield Family(
            REQUESTS, "counter", HELP[REQUESTS], [Sample(n, dict(zip(_RESULT, key, strict=True))) for key, n in counts]
        )
        for name, labels, found in ((SECONDS, _RESULT, self._seconds), (BY_DEFINITION, _PAIR, self._pairs)):
            samples = [
                sample
                for key, histogram in found.copy().items()
                for sample in spread(histogram, dict(zip(labels, key, strict=True)))
            ]
            yield Family(name, "histogram", HELP[name], samples)
