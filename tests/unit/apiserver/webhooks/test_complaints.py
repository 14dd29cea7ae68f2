"""What people are told of webhooks that cannot be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from longboat.aio.clock import VirtualClock
from longboat.api import kinds
from longboat.apiserver.admission.webhooks import complaints
from longboat.apiserver.admission.webhooks.complaints import AFRESH, EVERY, Complaints
from longboat.apiserver.admission.webhooks.hooks import Hook
from unit.apiserver.harness import Api, api_server

KIND = kinds.VALIDATING_WEBHOOK_CONFIGURATION


def hook(name: str = "h.example.com", **spec: Any) -> Hook:
    return Hook("c", ("c", 1, 0), {"name": name, **spec}, "uid-1")


def run(scene: Callable[[Complaints, Callable[[], list[Any]], VirtualClock], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = VirtualClock()
        async with api_server(clock) as api:

            def told() -> list[Any]:
                return [msgspec.json.decode(entry.body) for entry in events(api).entries("default")]

            await scene(Complaints(events(api), clock, api.server.tasks), told, clock)

    def events(api: Api) -> Any:
        return api.server.stores[kinds.CORE_EVENT]

    asyncio.run(main())


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0.002)


def test_the_same_webhook_is_counted_and_not_written_at_every_failure() -> None:
    async def scene(found: Complaints, told: Callable[[], list[Any]], clock: VirtualClock) -> None:
        for i in range(5):
            found.failed(KIND, hook(), f"reason {i}")
            await settled()
        (event,) = told()
        assert (event["count"], event["involvedObject"]["uid"]) == (1, "uid-1")
        await clock.advance(EVERY)
        await settled()
        (event,) = told()
        assert (event["count"], event["message"].split(";")[0]) == (
            5, 'failed calling webhook "h.example.com": reason 4',
        )  # fmt: skip

    run(scene)


def test_one_that_fails_again_after_long_is_another_event() -> None:
    async def scene(found: Complaints, told: Callable[[], list[Any]], clock: VirtualClock) -> None:
        found.failed(KIND, hook(failurePolicy="Ignore"), "once")
        await settled()
        for _ in range(2):
            await clock.advance(AFRESH)
            await settled()
        found.failed(KIND, hook(failurePolicy="Ignore"), "and again")
        await settled()
        assert sorted(event["count"] for event in told()) == [1, 1]
        assert all(event["message"].endswith("is let through") for event in told())

    run(scene)


def test_so_many_are_told_of() -> None:
    async def scene(found: Complaints, told: Callable[[], list[Any]], clock: VirtualClock) -> None:
        for i in range(complaints.MOST + 20):
            found.failed(KIND, hook(f"h{i}.example.com"), "x" * 5000)
        await asyncio.sleep(1)
        assert len(told()) == complaints.MOST
        assert {len(event["message"]) for event in told()} == {complaints.LONGEST}

    run(scene)
