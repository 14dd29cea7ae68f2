"""What is told of extension servers to Prometheus, under upstream's names (kube-aggregator, status metrics)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from longboat.machinery.exposition import Family, Sample

HELP_NOW = "[ALPHA] Gauge of APIServices which are marked as unavailable broken down by APIService name."
HELP_TOTAL = "[ALPHA] Counter of APIServices which are marked as unavailable broken down by APIService name and reason."
MOST = 1_000  # APIServices that have been told of since the start


class Figures:
    """Touched when a verdict is told."""

    def __init__(self) -> None:
        self.unavailable: dict[str, bool] = {}
        self.total: Counter[tuple[str, str]] = Counter()

    def tell(self, name: str, reason: str, *, was: bool, now: bool) -> None:
        """Whether it was and is available."""
        self.unavailable[name] = not now
        if was and not now and (len(self.total) < MOST or (name, reason) in self.total):
            self.total[name, reason] += 1

    def forget(self, name: str) -> None:
        self.unavailable.pop(name, None)

    def families(self) -> Iterator[Family]:
        if self.unavailable:
            now = [Sample(int(gone), {"name": name}) for name, gone in sorted(self.unavailable.items())]
            yield Family("aggregator_unavailable_apiservice", "gauge", HELP_NOW, now)
        if self.total:
            total = [Sample(count, {"name": n, "reason": why}) for (n, why), count in sorted(self.total.items())]
            yield Family("aggregator_unavailable_apiservice_total", "counter", HELP_TOTAL, total)
