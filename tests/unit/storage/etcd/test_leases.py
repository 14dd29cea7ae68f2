"""Leases are shared by keys whose time is up at about the same time, and never let a key go early."""

from __future__ import annotations

import asyncio

from longboat.aio.clock import VirtualClock
from longboat.storage.etcd.leases import KEYS, REMEMBERED, Leases


class Granted:
    """Counts what is asked for."""

    def __init__(self) -> None:
        self.seconds: list[int] = []

    async def __call__(self, seconds: int) -> int:
        await asyncio.sleep(0)
        self.seconds.append(seconds)
        return len(self.seconds)


def test_keys_of_one_minute_share_a_lease_that_outlives_them() -> None:
    async def main() -> None:
        clock, granted = VirtualClock(), Granted()
        leases = Leases(granted, clock)
        assert set(await asyncio.gather(*(leases.take(3600.0) for _ in range(50)))) == {1}
        assert granted.seconds == [3660]
        await clock.advance(60)
        assert await leases.take(3600.0) == 1
        await clock.advance(1)
        assert await leases.take(3600.0) == 2

    asyncio.run(main())


def test_a_short_time_is_stretched_by_a_twentieth_only() -> None:
    async def main() -> None:
        clock, granted = VirtualClock(), Granted()
        leases = Leases(granted, clock)
        assert [await leases.take(15.0), await leases.take(0.05)] == [1, 2]
        assert granted.seconds == [16, 1]
        await clock.advance(0.75)
        assert await leases.take(15.0) == 1
        await clock.advance(0.01)
        assert await leases.take(15.0) == 3

    asyncio.run(main())


def test_a_lease_has_no_more_keys_than_a_transaction_bears() -> None:
    async def main() -> None:
        leases = Leases(Granted(), VirtualClock())
        assert {await leases.take(3600.0) for _ in range(KEYS)} == {1}
        assert await leases.take(3600.0) == 2

    asyncio.run(main())


def test_what_is_remembered_is_bounded_and_what_is_gone_is_forgotten() -> None:
    async def main() -> None:
        granted = Granted()
        leases = Leases(granted, VirtualClock())
        for ttl in range(100, 100 + REMEMBERED + 1):
            await leases.take(float(ttl))
        assert await leases.take(float(100 + REMEMBERED)) == REMEMBERED + 1
        assert await leases.take(100.0) == REMEMBERED + 2
        leases.forget(REMEMBERED + 2)
        assert await leases.take(100.0) == REMEMBERED + 3

    asyncio.run(main())
