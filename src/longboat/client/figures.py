"""What informers and work queues have to tell, in client-go's names (reference "Kubernetes Metrics", v1.36)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from longboat.aio.workqueue import WorkQueue
from longboat.client.informer import Informers
from longboat.client.reflector import Reflector, Tally
from longboat.machinery.exposition import Family, Sample, spread
from longboat.machinery.kinds import Kind

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
    found: list[tuple[dict[str, str], Tally, list[Reflector]]] = []
    for name, each in informers.items():
        running: dict[Kind, list[Reflector]] = {}
        for reflector in each.reflectors():
            running.setdefault(reflector.kind, []).append(reflector)
        for kind, tally in each.tallies().items():
            labels = {"name": name, "group": kind.group, "version": kind.version, "resource": kind.plural}
            found.append((labels, tally, running.get(kind, [])))

    def counter(name: str, help: str, count: Callable[[Tally], int]) -> Family:
        return Family(name, "counter", help, [Sample(count(tally), labels) for labels, tally, _ in found])

    def gauge(name: str, help: str, measure: Callable[[list[Reflector]], int]) -> Family:
        return Family(name, "gauge", help, [Sample(measure(running), labels) for labels, _, running in found])

    taken = [each for labels, tally, _ in found if tally.taken.count for each in spread(tally.taken, labels)]
    return [
        gauge("informer_queued_items", "[ALPHA] Number of items currently queued in the FIFO.",
              lambda running: sum(each.queued for each in running)),
        Family("informer_processing_latency_seconds", "histogram",
               "[ALPHA] Time taken to process events after popping from the queue.", taken),
        gauge("informer_store_resource_version", STORED,
              lambda running: max((each.revision for each in running), default=0) % DIGITS),
        gauge("longboat_reflector_listeners", "Views and others that share lists and watches.",
              lambda running: sum(map(len, running))),
        gauge("longboat_reflectors", "Lists that are kept up to date by a watch each.", len),
        counter("longboat_reflector_lists_total", "Listings of all objects that were begun.",
                lambda tally: tally.lists),
        counter("longboat_reflector_watches_total", "Watches that were begun.", lambda tally: tally.watches),
        counter("longboat_reflector_failures_total", "Times that one who is told of objects failed.",
                lambda tally: tally.failures),
    ]  # fmt: skip
