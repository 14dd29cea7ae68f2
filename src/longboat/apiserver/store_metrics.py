"""Figures of watch caches, storage and watches, in upstream's names (reference "Kubernetes Metrics", v1.36)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from longboat.aio.histogram import Histogram
from longboat.apiserver.endpoint import Endpoint
from longboat.machinery.exposition import Family, Sample, spread
from longboat.machinery.kinds import Kind
from longboat.registry.store import Store
from longboat.storage.watchcache import WatchCache

OBJECTS = (
    "Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be "
    "-1."
)
DEPRECATED = "[STABLE] (Deprecated since 1.34.0) [DEPRECATED, consider using apiserver_resource_objects instead] "
Labels = dict[str, str]


def families(stores: Mapping[Kind, Store], endpoints: Iterable[Endpoint]) -> Iterator[Family]:
    """Kinds that share a cache are told of as the one that is stored."""
    caches: dict[int, tuple[Labels, WatchCache]] = {}
    for kind, store in list(stores.items()):
        caches.setdefault(id(store.cache), (_labels(kind), store.cache))
    yield from _of_caches(list(caches.values()))
    yield from _of_storage(stores)
    yield from _of_watches(endpoints)


def _of_caches(caches: list[tuple[Labels, WatchCache]]) -> Iterator[Family]:
    def each(kind: str, name: str, help: str, value: Callable[[WatchCache], float]) -> Family:
        return Family(name, kind, f"[ALPHA] {help}", [Sample(value(cache), labels) for labels, cache in caches])

    def by_index(name: str, help: str, values: Callable[[WatchCache], Mapping[str, int]]) -> Family:
        samples = [
            Sample(value, {**labels, "index": index}) for labels, cache in caches
            for index, value in list(values(cache).items())
        ]  # fmt: skip
        return Family(name, "counter", f"[ALPHA] {help}", samples)

    yield each("gauge", "watch_cache_capacity", "Total capacity of watch cache broken by resource type.",
               lambda cache: cache.capacity)  # fmt: skip
    yield each("gauge", "apiserver_watch_cache_resource_version",
               "Current resource version of watch cache broken by resource type.",
               lambda cache: cache.revision)  # fmt: skip
    yield each("counter", "apiserver_watch_cache_initializations_total",
               "Counter of watch cache initializations broken by resource type.",
               lambda cache: cache.figures.loads)  # fmt: skip
    yield each("counter", "apiserver_watch_cache_events_received_total",
               "Counter of events received in watch cache broken by resource type.",
               lambda cache: cache.figures.received)  # fmt: skip
    yield each("counter", "apiserver_storage_events_received_total", "Number of etcd events received split by kind.",
               lambda cache: cache.figures.received)  # fmt: skip
    yield each("counter", "apiserver_watch_cache_events_dispatched_total",
               "Counter of events dispatched in watch cache broken by resource type.",
               lambda cache: cache.figures.dispatched)  # fmt: skip
    yield each("counter", "apiserver_init_events_total",
               "Counter of init events processed in watch cache broken by resource type.",
               lambda cache: cache.figures.initial)  # fmt: skip
    yield each("counter", "apiserver_terminated_watchers_total",
               "Counter of watchers closed due to unresponsiveness broken by resource type.",
               lambda cache: cache.figures.terminated)  # fmt: skip
    yield by_index("apiserver_cache_list_total", "Number of LIST requests served from watch cache",
                   lambda cache: cache.figures.lists)  # fmt: skip
    yield by_index("apiserver_cache_list_fetched_objects_total",
                   "Number of objects read from watch cache in the course of serving a LIST request",
                   lambda cache: cache.figures.fetched)  # fmt: skip
    yield each("counter", "apiserver_cache_list_returned_objects_total",
               "Number of objects returned for a LIST request from watch cache",
               lambda cache: cache.figures.returned)  # fmt: skip
    waits = [each for labels, cache in caches for each in _used(cache.figures.read_wait, labels)]
    yield Family("apiserver_watch_cache_read_wait_seconds", "histogram",
                 "[ALPHA] Histogram of time spent waiting for a watch cache to become fresh.", waits)  # fmt: skip
    yield each("gauge", "apiserver_resource_objects", OBJECTS, len)
    names = [Sample(len(cache), {"resource": _qualified(labels)}) for labels, cache in caches]
    yield Family("apiserver_storage_objects", "gauge", DEPRECATED + OBJECTS, names)


def _of_storage(stores: Mapping[Kind, Store]) -> Iterator[Family]:
    """The storage is no etcd; these are the names that dashboards ask for."""
    found = [
        ({"operation": name, **_labels(kind)}, operation) for kind, store in list(stores.items())
        for name, operation in list(store.measured.operations.items())
    ]  # fmt: skip
    of = "for each operation and object type."
    yield Family("etcd_request_duration_seconds", "histogram", f"[ALPHA] Etcd request latency in seconds {of}",
                 [each for labels, operation in found for each in spread(operation.seconds, labels)])  # fmt: skip
    yield Family("etcd_requests_total", "counter", f"[ALPHA] Etcd request counts {of}",
                 [Sample(operation.seconds.count, labels) for labels, operation in found])  # fmt: skip
    yield Family("etcd_request_errors_total", "counter", f"[ALPHA] Etcd failed request counts {of}",
                 [Sample(operation.errors, labels) for labels, operation in found])  # fmt: skip


def _of_watches(endpoints: Iterable[Endpoint]) -> Iterator[Family]:
    found = [({**_labels(each.kind), "version": each.kind.version}, each.watched) for each in endpoints]
    used = [(labels, sizes) for labels, sizes in found if sizes.count]
    yield Family("apiserver_watch_events_total", "counter", "[ALPHA] Number of events sent in watch clients",
                 [Sample(sizes.count, labels) for labels, sizes in used])  # fmt: skip
    yield Family("apiserver_watch_events_sizes", "histogram", "[ALPHA] Watch event size distribution in bytes",
                 [each for labels, sizes in used for each in spread(sizes, labels)])  # fmt: skip


def _labels(kind: Kind) -> Labels:
    return {"group": kind.group, "resource": kind.plural}


def _qualified(labels: Labels) -> str:
    return ".".join(filter(None, (labels["resource"], labels["group"])))


def _used(found: Histogram, labels: Labels) -> Iterator[Sample]:
    return spread(found, labels) if found.count else iter(())
