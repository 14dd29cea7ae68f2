"""Figures of priority and fairness, in upstream's names (apiserver, flowcontrol/metrics)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from longboat.aio.histogram import Histogram
from longboat.machinery.exposition import Family, Sample, spread

LENGTHS = (0, 10, 25, 50, 100, 250, 500, 1000)
SECONDS = (0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
SEATS = (1, 2, 4, 10)


class Record:
    """Of one FlowSchema's requests at one priority level: plain numbers, for every request touches them."""

    __slots__ = (
        "crowded", "executing", "lengths", "level", "narrow", "rejected", "schema", "seats", "seconds", "turned_away",
        "waited", "waiting", "watches", "wide",
    )  # fmt: skip

    def __init__(self, level: str, schema: str) -> None:
        self.level, self.schema = level, schema
        self.executing = self.seats = self.waiting = self.crowded = self.narrow = 0
        self.rejected: Counter[str] = Counter()
        self.seconds, self.watches = Histogram(SECONDS), Histogram(SECONDS)  # of watches until they have begun
        self.wide = Histogram(SEATS)  # seats of those that take more than one
        self.waited, self.turned_away, self.lengths = Histogram(SECONDS), Histogram(SECONDS), Histogram(LENGTHS)

    def begin(self, seats: int) -> None:
        self.executing += 1
        self.seats += seats
        if seats == 1:
            self.narrow += 1  # nearly all: a number is cheaper than a place in a histogram
        else:
            self.wide.observe(seats)

    def done(self, seats: int, seconds: float, watches: bool) -> None:
        self.executing -= 1
        self.seats -= seats
        found = self.watches if watches else self.seconds
        found.counts[bisect_left(SECONDS, seconds)] += 1  # as `observe`, for every request comes by here
        found.sum += seconds

    @property
    def dispatched(self) -> int:
        return self.narrow + self.wide.count

    @property
    def labels(self) -> dict[str, str]:
        return {"priority_level": self.level, "flow_schema": self.schema}


class Figures:
    """Of all. A record is kept as long as the server runs: FlowSchemas are few, and a counter never goes back."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], Record] = {}

    def of(self, level: str, schema: str) -> Record:
        key = level, schema
        if key not in self._records:
            self._records[key] = Record(level, schema)
        return self._records[key]

    def families(self) -> Iterator[Family]:
        found = list(self._records.values())
        for name, kind, stability, help_, samples in _FAMILIES:
            each = [sample for record in found for sample in samples(record)]
            yield Family(f"apiserver_flowcontrol_{name}", kind, f"[{stability}] {help_}", each)


def _rejected(record: Record) -> Iterator[Sample]:
    for why, number in list(record.rejected.items()):
        yield Sample(number, {**record.labels, "reason": why})


def _waited(record: Record) -> Iterator[Sample]:
    for execute, spent in (("true", record.waited), ("false", record.turned_away)):
        yield from spread(spent, {**record.labels, "execute": execute})


def _took(record: Record) -> Iterator[Sample]:
    for sort, spent in (("regular", record.seconds), ("watch", record.watches)):
        yield from spread(spent, {**record.labels, "type": sort})


def _estimated(record: Record) -> Iterator[Sample]:
    found = Histogram(SEATS)
    found.counts, found.sum = list(record.wide.counts), record.wide.sum
    found.observe(1, record.narrow)
    yield from spread(found, record.labels)


def _number(field: str) -> Callable[[Record], list[Sample]]:
    return lambda record: [Sample(getattr(record, field), record.labels)]


def _spread(field: str) -> Callable[[Record], Iterable[Sample]]:
    return lambda record: spread(getattr(record, field), record.labels)


_OF = "API Priority and Fairness"
_STAGE = "(for a WATCH) or any (for a non-WATCH)"
_FAMILIES: tuple[tuple[str, str, str, str, Callable[[Record], Iterable[Sample]]], ...] = (
    ("rejected_requests_total", "counter", "BETA", f"Number of requests rejected by {_OF} subsystem", _rejected),
    ("dispatched_requests_total", "counter", "BETA", f"Number of requests executed by {_OF} subsystem",
     _number("dispatched")),
    ("current_inqueue_requests", "gauge", "BETA",
     f"Number of requests currently pending in queues of the {_OF} subsystem", _number("waiting")),
    ("current_executing_requests", "gauge", "BETA",
     f"Number of requests in initial {_STAGE} execution stage in the {_OF} subsystem", _number("executing")),
    ("current_executing_seats", "gauge", "BETA",
     "Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage "
     f"otherwise) requests in the {_OF} subsystem", _number("seats")),
    ("request_dispatch_no_accommodation_total", "counter", "ALPHA",
     "Number of times a dispatch attempt resulted in a non accommodation due to lack of available seats",
     _number("crowded")),
    ("request_wait_duration_seconds", "histogram", "BETA", "Length of time a request spent waiting in its queue",
     _waited),
    ("request_execution_seconds", "histogram", "ALPHA",
     f"Duration of initial stage {_STAGE} stage of request execution in the {_OF} subsystem", _took),
    ("request_queue_length_after_enqueue", "histogram", "ALPHA",
     f"Length of queue in the {_OF} subsystem, as seen by each request after it is enqueued", _spread("lengths")),
    ("work_estimated_seats", "histogram", "ALPHA",
     f"Number of estimated seats (maximum of initial and final seats) associated with requests in {_OF}",
     _estimated),
)  # fmt: skip
