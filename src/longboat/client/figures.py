"""What informers and work queues have to tell, in client-go's names (reference "Kubernetes Metrics", v1.36)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from longboat.aio.histogram import Histogram
from longboat.aio.workqueue import WorkQueue
from longboat.client.informer import Informers
from longboat.client.reflector import Reflector
from longboat.machinery.exposition import Family, Sample, spread

UNFINISHED = (
    "[BETA] How many seconds of work has done that is in progress and hasn't been observed by work_duration. Large "
    "values indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this "
    "increases."
)
LONGEST = "[BETA] How many seconds has the longest running processor for workqueue been running."
WAITED = "[BETA] How long in seconds an item stays in workqueue before being requested."
WORKED = "[BETA] How long in seconds processing an item from workqueue takes."
STORED = "[ALPHA] The 15 least significant digits of the resource version of the store."
DIGITS = 10**15


def of_queues(queues: Mapping[str, WorkQueue[Any]]) -> list[Family]:
    """By name."""
    found = [({"name": name}, queue, queue.working()) for name, queue in queues.items()]

    def spreads(name: str, help: str, of: str) -> Family:
        samples = [each for labels, queue, _ in found for each in spread(getattr(queue, of), labels)]
        return Family(name, "histogram", help, samples)

    return [
        Family("workqueue_adds_total", "counter", "[BETA] Total number of adds handled by workqueue",
               [Sample(queue.adds, labels) for labels, queue, _ in found]),
        Family("workqueue_depth", "gauge", "[BETA] Current depth of workqueue",
               [Sample(queue.depth, labels) for labels, queue, _ in found]),
        Family("workqueue_retries_total", "counter", "[BETA] Total number of retries handled by workqueue",
               [Sample(queue.retries, labels) for labels, queue, _ in found]),
        Family("workqueue_unfinished_work_seconds", "gauge", UNFINISHED,
               [Sample(float(sum(working)), labels) for labels, _, working in found]),
        Family("workqueue_longest_running_processor_seconds", "gauge", LONGEST,
               [Sample(max(working, default=0.0), labels) for labels, _, working in found]),
        spreads("workqueue_queue_duration_seconds", WAITED, "waited"),
        spreads("workqueue_work_duration_seconds", WORKED, "worked"),
    ]  # fmt: skip


def of_informers(informers: Mapping[str, Informers]) -> list[Family]:
    """By the name of the component whose they are. Scopes of one resource are told of together."""
    by_resource: dict[tuple[str, str, str, str], list[Reflector]] = {}
    for name, each in informers.items():
        for reflector in each.reflectors():
            kind = reflector.kind
            by_resource.setdefault((name, kind.group, kind.version, kind.plural), []).append(reflector)
    found = [
        (dict(zip(("name", "group", "version", "resource"), key, strict=True)), reflectors)
        for key, reflectors in sorted(by_resource.items())
    ]

    def sums(name: str, kind: str, help: str, attribute: str) -> Family:
        samples = [Sample(sum(getattr(each, attribute) for each in those), labels) for labels, those in found]
        return Family(name, kind, help, samples)

    stored = [Sample(max(each.revision for each in those) % DIGITS, labels) for labels, those in found]
    latencies = [(labels, _together([each.taken for each in those])) for labels, those in found]
    taken = [each for labels, latency in latencies if latency.count for each in spread(latency, labels)]
    return [
        sums("informer_queued_items", "gauge", "[ALPHA] Number of items currently queued in the FIFO.", "queued"),
        Family("informer_processing_latency_seconds", "histogram",
               "[ALPHA] Time taken to process events after popping from the queue.", taken),
        Family("informer_store_resource_version", "gauge", STORED, stored),
        sums("longboat_reflector_lists_total", "counter", "Listings of all objects that were begun.", "lists"),
        sums("longboat_reflector_watches_total", "counter", "Watches that were begun.", "watches"),
        Family("longboat_reflector_listeners", "gauge", "Views and others that share one list and watch.",
               [Sample(sum(map(len, those)), labels) for labels, those in found]),
        sums("longboat_reflector_failures_total", "counter", "Times that one who is told of objects failed.",
             "failures"),
    ]  # fmt: skip


def _together(histograms: Iterable[Histogram]) -> Histogram:
    first, *others = histograms
    found = Histogram(first.bounds)
    for each in (first, *others):
        found.counts = [mine + its for mine, its in zip(found.counts, each.counts, strict=True)]
        found.sum += each.sum
    return found
