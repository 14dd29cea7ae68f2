"""What the scheduler has to tell, in kube-scheduler's names (reference "Kubernetes Metrics", v1.36)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum

from longboat.aio.histogram import Histogram, exponential
from longboat.machinery.exposition import Family, Sample, spread

# Bounds are kube-scheduler's, seconds where nothing else is said.
ATTEMPT = exponential(0.001, 2, 15)
UNTIL_BOUND = exponential(0.01, 2, 20)
POINT = exponential(0.0001, 2, 12)
ATTEMPTS = exponential(1, 2, 5)  # of a pod
VICTIMS = exponential(1, 2, 7)
MOST_ATTEMPTS = 15  # that have a label of their own
PENDING = (
    "[STABLE] Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means "
    "number of pods in backoffQ; 'unschedulable' means number of pods in unschedulablePods that the scheduler "
    "attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted "
    "to schedule because they are gated."
)
ATTEMPTED = (
    "[STABLE] Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, "
    "while 'error' means an internal scheduler problem."
)
SLI = (
    "[BETA] E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might involve "
    "multiple scheduling attempts."
)
REFUSED = (
    "[ALPHA] The number of unschedulable pods broken down by plugin name. A pod will increment the gauge for all "
    "plugins that caused it to not schedule and so this metric have meaning only when broken down by plugin."
)


class Outcome(StrEnum):
    """Of an attempt."""

    SCHEDULED = "scheduled"
    UNSCHEDULABLE = "unschedulable"
    ERROR = "error"


class Figures:
    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._attempts = {outcome: Histogram(ATTEMPT) for outcome in Outcome}
        self._points: dict[tuple[str, str], Histogram] = {}
        self._until_bound: dict[str, Histogram] = {}
        self._of_pods = Histogram(ATTEMPTS)
        self._victims = Histogram(VICTIMS)
        self.algorithm = Histogram(ATTEMPT)
        self.preemptions = 0

    def attempted(self, outcome: Outcome, seconds: float) -> None:
        self._attempts[outcome].observe(seconds)

    def passed(self, point: str, status: str, seconds: float) -> None:
        """An extension point has been run, with this framework status."""
        found = self._points.get((point, status))
        if found is None:
            found = self._points[point, status] = Histogram(POINT)
        found.observe(seconds)

    def bound(self, attempts: int, seconds: float) -> None:
        """A pod has its node, so long after it began to wait for one."""
        self._of_pods.observe(attempts)
        label = str(attempts) if attempts <= MOST_ATTEMPTS else f"{MOST_ATTEMPTS + 1}+"
        self._until_bound.setdefault(label, Histogram(UNTIL_BOUND)).observe(seconds)

    def preempted(self, victims: int) -> None:
        self._victims.observe(victims)

    def families(
        self, pending: Mapping[str, int], incoming: Counter[tuple[str, str]], refused: Counter[str],
        cache: Mapping[str, int],
    ) -> Iterator[Family]:  # fmt: skip
        """`pending` pods by queue, `incoming` ones by event and queue, `refused` ones by plugin, and what is in the
        `cache` by type."""
        profile = {"profile": self._profile}
        attempts = [({**profile, "result": str(outcome)}, spent) for outcome, spent in self._attempts.items()]
        points = [
            ({**profile, "extension_point": point, "status": status}, spent)
            for (point, status), spent in sorted(self._points.items())
        ]
        bound = [({"attempts": label}, spent) for label, spent in sorted(self._until_bound.items())]
        return iter((
            Family("scheduler_pending_pods", "gauge", PENDING, [Sample(n, {"queue": q}) for q, n in pending.items()]),
            Family("scheduler_schedule_attempts_total", "counter", ATTEMPTED,
                   [Sample(spent.count, labels) for labels, spent in attempts]),
            _spreads("scheduler_scheduling_attempt_duration_seconds",
                     "[STABLE] Scheduling attempt latency in seconds (scheduling algorithm + binding)", attempts),
            _spreads("scheduler_scheduling_algorithm_duration_seconds",
                     "[ALPHA] Scheduling algorithm latency in seconds", [({}, self.algorithm)]),
            _spreads("scheduler_framework_extension_point_duration_seconds",
                     "[STABLE] Latency for running all plugins of a specific extension point.", points),
            _spreads("scheduler_pod_scheduling_sli_duration_seconds", SLI, bound),
            _spreads("scheduler_pod_scheduling_attempts",
                     "[STABLE] Number of attempts to successfully schedule a pod.", [({}, self._of_pods)]),
            Family("scheduler_queue_incoming_pods_total", "counter",
                   "[STABLE] Number of pods added to scheduling queues by event and queue type.",
                   [Sample(n, {"event": event, "queue": queue}) for (event, queue), n in sorted(incoming.items())]),
            Family("scheduler_preemption_attempts_total", "counter",
                   "[STABLE] Total preemption attempts in the cluster till now", [Sample(self.preemptions)]),
            _spreads("scheduler_preemption_victims", "[STABLE] Number of selected preemption victims",
                     [({}, self._victims)]),
            Family("scheduler_unschedulable_pods", "gauge", REFUSED,
                   [Sample(n, {"plugin": plugin, **profile}) for plugin, n in sorted(refused.items())]),
            Family("scheduler_cache_size", "gauge",
                   "[ALPHA] Number of nodes, pods, and assumed (bound) pods in the scheduler cache.",
                   [Sample(n, {"type": what}) for what, n in cache.items()]),
        ))  # fmt: skip


def _spreads(name: str, help: str, found: list[tuple[dict[str, str], Histogram]]) -> Family:
    return Family(name, "histogram", help, [each for labels, spent in found for each in spread(spent, labels)])
