"""How many seats a request takes: one, or for a list by what it has to hold at once (apiserver, listWorkEstimator)."""

from __future__ import annotations

import math
from itertools import islice

from longboat.aio.clock import Clock
from longboat.apiserver.request import Request
from longboat.apiserver.resources import Resources
from longboat.machinery import strconv
from longboat.machinery.kinds import Kind
from longboat.registry.store import Store

A_SEAT = 100_000  # bytes
STREAMED = 1_000_000  # bytes that a list from the cache holds at most: what has been sent is let go
MOST = 100  # seats of a list
SAMPLE, FRESH = 32, 60.0  # objects that are measured, and seconds for which that is believed
KINDS = 1024  # of which that is known


class Work:
    """Knows how large the objects of each kind are, from a few of them, looked at once a minute."""

    def __init__(self, resources: Resources, clock: Clock) -> None:
        self._resources, self._clock = resources, clock
        self._sizes: dict[Kind, tuple[float, float]] = {}  # until when, bytes

    def seats(self, request: Request, widest: int) -> int:
        """`widest`: what its priority level lets one request take; 0 for any."""
        info = request.info
        if info.verb not in ("list", "watch") or info.name or request.kind is None:
            return 1
        if info.verb == "watch" and not _begins_with_all(request):
            return 1
        found = self._resources.of(request.kind)
        if found is None or found.endpoint is None:
            return 1  # somebody else's work
        store = found.endpoint.store
        count = len(store.cache)
        limit = request.arg("limit")
        if limit.isdigit() and 0 < int(limit) < count:
            count = int(limit)
        seats = math.ceil(min(count * self._size(request.kind, store), STREAMED) / A_SEAT)
        return max(1, min(seats, widest or MOST, MOST))

    def _size(self, kind: Kind, store: Store) -> float:
        now = self._clock.monotonic()
        until, size = self._sizes.get(kind, (0.0, 0.0))
        if now >= until or not size:
            found = [len(entry.body) for entry in islice(store.cache.snapshot().walk(store.cache.prefix), SAMPLE)]
            size = sum(found) / len(found) if found else 0.0
            if len(self._sizes) == KINDS:
                self._sizes.clear()
            self._sizes[kind] = now + FRESH, size
        return size


def _begins_with_all(request: Request) -> bool:
    """Whether a watch is sent what there is before what changes."""
    wished = request.query.get("sendInitialEvents")
    return bool(wished and strconv.flag(wished[0])) or request.arg("resourceVersion") in ("", "0")
