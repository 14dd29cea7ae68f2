"""Leases that let keys go when their time is up, shared by keys whose time is up at about the same time.

Source: apiserver, storage/etcd3/lease_manager.go: a key may outlive its time by a twentieth of it, a minute at most,
and a lease has a thousand keys at most, so that one that ends is not a heavy transaction.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from longboat.aio.clock import Clock

SHARE, LONGEST = 0.05, 60.0  # part of its time, and seconds, by which a key may stay longer
KEYS = 1000
REMEMBERED = 16  # different times to live for which a lease is kept at hand

Grant = Callable[[int], Awaitable[int]]  # of so many seconds; the lease's id


class Lease:
    """`until` on the monotonic clock: a key that takes it by then lives for as long as it asked."""

    def __init__(self, identity: int, until: float) -> None:
        self.identity = identity
        self.until = until
        self.keys = 0


class Leases:
    def __init__(self, grant: Grant, clock: Clock) -> None:
        self._grant = grant
        self._clock = clock
        self._leases: OrderedDict[float, Lease] = OrderedDict()  # by the seconds that keys are to live
        self._turn = asyncio.Lock()

    async def take(self, ttl: float) -> int:
        """A lease that lives at least `ttl` seconds from now. What `grant` raises."""
        async with self._turn:
            lease = self._leases.get(ttl)
            if lease is None or lease.keys >= KEYS or self._clock.monotonic() > lease.until:
                spare = min(ttl * SHARE, LONGEST)
                began = self._clock.monotonic()  # before etcd's own count begins
                lease = self._leases[ttl] = Lease(await self._grant(math.ceil(ttl + spare)), began + spare)
                while len(self._leases) > REMEMBERED:
                    self._leases.popitem(last=False)
            self._leases.move_to_end(ttl)
            lease.keys += 1
            return lease.identity

    def forget(self, identity: int) -> None:
        """It is not there any more."""
        for ttl, lease in list(self._leases.items()):
            if lease.identity == identity:
                del self._leases[ttl]
