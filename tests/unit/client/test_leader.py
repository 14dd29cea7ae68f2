"""Leader election against a real API server: one leads, another takes over when it must, never two at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from longboat.aio.clock import VirtualClock
from longboat.aio.tasks import Tasks
from longboat.client.interface import Key
from longboat.client.leader import DEADLINE, DURATION, Deposed, LeaderElector, Lease, LeaseSpec, bid
from longboat.client.rest import RestClient
from unit.apiserver.harness import Api, play

LEASE = Key("kube-system", "kube-controller-manager")


class Cut:
    """A line to the server that can be cut."""

    def __init__(self, api: Api) -> None:
        self._inner = api.server.transport("admin", "system:masters")
        self.cut = False

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        if self.cut:
            raise ConnectionResetError("cut")
        return await self._inner.request(method, path, query=query, body=body, content_type=content_type, accept=accept)

    def stream(self, path: str, *, query: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        return self._inner.stream(path, query=query)

    async def close(self) -> None:
        return None


class Candidate:
    def __init__(self, api: Api, clock: VirtualClock, name: str) -> None:
        self.line = Cut(api)
        self.client = RestClient(self.line, clock)
        self.elector = LeaderElector(self.client, clock, LEASE, name)
        self.working = False
        self.deposed = False

    async def run(self) -> None:
        try:
            await self.elector.lead(self._work)
        except Deposed:
            self.deposed = True

    async def _work(self) -> None:
        self.working = True
        try:
            await asyncio.Event().wait()
        finally:
            self.working = False


@pytest.mark.parametrize("peaceful", [True, False])
def test_the_other_takes_over(peaceful: bool) -> None:
    clock = VirtualClock()

    async def scene(api: Api) -> None:
        async with Tasks("test") as tasks:
            one, two = Candidate(api, clock, "one"), Candidate(api, clock, "two")
            first = tasks.spawn("one", one.run())
            await clock.advance(1)
            tasks.spawn("two", two.run())
            await clock.advance(60)
            assert (one.working, two.working) == (True, False)
            if peaceful:
                first.cancel()
            else:
                one.line.cut = True
            waited = 0.0
            while not two.working:
                await clock.advance(0.5)
                waited += 0.5
                assert not (one.working and two.working)
            assert waited <= (3 if peaceful else DURATION + 4)
            assert one.deposed is not peaceful
            lease = await two.client.get(Lease, LEASE)
            assert (lease.spec.holderIdentity, lease.spec.leaseTransitions) == ("two", 1)

    play(scene, clock)


def test_a_short_cut_is_survived() -> None:
    clock = VirtualClock()

    async def scene(api: Api) -> None:
        async with Tasks("test") as tasks:
            one = Candidate(api, clock, "one")
            tasks.spawn("one", one.run())
            await clock.advance(5)
            one.line.cut = True
            await clock.advance(DEADLINE - 3)
            one.line.cut = False
            await clock.advance(60)
            assert one.working and not one.deposed

    play(scene, clock)


@pytest.mark.parametrize(
    ("holder", "age", "wins", "transitions"),
    [
        ("other", 14.9, False, None),
        ("other", 15.0, True, 4),
        ("", 0.0, True, 4),
        ("me", 0.0, True, None),
    ],
)
def test_who_may_hold_it(holder: str, age: float, wins: bool, transitions: int | None) -> None:
    found = bid(LeaseSpec(holderIdentity=holder, leaseTransitions=3), "me", age, "now")
    assert (found is not None) is wins
    if found is not None:
        assert found.get("leaseTransitions") == transitions
