"""Events: counted where they are the same, combined where alike, rationed where too many (client-go's rules)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from longboat.aio.clock import VirtualClock
from longboat.api.workloads import Pod
from longboat.client.events import EventRecorder
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from unit.client.scripted import Scripted

ABOUT = {"kind": "Pod", "apiVersion": "v1", "namespace": "d", "name": "p", "uid": "u"}


class Sink(Scripted):
    """Keeps Events as an API server would; errors are raised first."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__(answers=self._answer)
        self.errors = list(errors)
        self.events: dict[str, Any] = {}

    def _answer(self, method: str, path: str) -> bytes:
        if self.errors:
            raise self.errors.pop(0)
        body = self.bodies[-1]
        if method == "POST":
            self.events[body["metadata"]["name"]] = body
        else:
            name = path.rpartition("/")[2]
            if name not in self.events:
                raise StatusError(404, "NotFound", "not found")
            self.events[name] |= body
        return b"{}"

    def told(self) -> list[tuple[str, int]]:
        return [(event["message"], event["count"]) for event in self.events.values()]


def play(sink: Sink, scene: Callable[[EventRecorder, VirtualClock], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = VirtualClock()
        recorder = EventRecorder(RestClient(sink, clock), clock, "kubelet", "node-1")
        await scene(recorder, clock)
        await clock.advance(60)

    asyncio.run(main())


def test_an_event_says_who_what_and_when() -> None:
    sink = Sink()

    async def scene(recorder: EventRecorder, clock: VirtualClock) -> None:
        about = Pod(metadata=Pod().metadata.__class__(name="p", namespace="d", uid="u", resourceVersion="7"))
        recorder.event(about, "Normal", "Started", "Started container c")

    play(sink, scene)
    (event,) = sink.events.values()
    assert event.pop("metadata")["namespace"] == "d"
    assert event == {
        "kind": "Event",
        "apiVersion": "v1",
        "involvedObject": ABOUT | {"resourceVersion": "7"},
        "reason": "Started",
        "message": "Started container c",
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
        "type": "Normal",
        "reportingComponent": "kubelet",
        "reportingInstance": "node-1",
    }


def test_the_same_again_is_counted() -> None:
    sink = Sink()

    async def scene(recorder: EventRecorder, clock: VirtualClock) -> None:
        for _ in range(3):
            recorder.event(ABOUT, "Warning", "BackOff", "Back-off")
            await clock.advance(10)

    play(sink, scene)
    (event,) = sink.events.values()
    assert (event["count"], event["firstTimestamp"], event["lastTimestamp"]) == (
        3, "2026-01-01T00:00:00Z", "2026-01-01T00:00:20Z",
    )  # fmt: skip


def test_a_burst_is_written_once_or_twice() -> None:
    sink = Sink()

    async def scene(recorder: EventRecorder, clock: VirtualClock) -> None:
        for _ in range(20):
            recorder.event(ABOUT, "Warning", "BackOff", "Back-off")

    play(sink, scene)
    assert sink.told() == [("Back-off", 20)] and len(sink.asked) <= 2


def test_the_tenth_that_is_alike_stands_for_all_that_follow() -> None:
    sink = Sink()

    async def scene(recorder: EventRecorder, clock: VirtualClock) -> None:
        for number in range(12):
            recorder.event(ABOUT, "Normal", "SuccessfulCreate", f"Created pod: p{number}")
            await clock.advance(1)

    play(sink, scene)
    assert sink.told() == [
        *((f"Created pod: p{number}", 1) for number in range(9)),
        ("(combined from similar events): Created pod: p11", 3),
    ]


def test_a_group_ends_after_ten_quiet_minutes() -> None:
    sink = Sink()

    async def scene(recorder: EventRecorder, clock: VirtualClock) -> None:
        for number in range(9):
            recorder.event(ABOUT, "Normal", "Pulled", f"Pulled {number}")
        await clock.advance(601)
        recorder.event(ABOUT, "Normal", "Pulled", "Pulled again")

    play(sink, scene)
    assert sink.told()[-1] == ("Pulled again", 1)


def test_one_object_cannot_flood_the_cluster() -> None:
    sink = Sink()

    async def scene(recorder: EventRecorder, clock: VirtualClock) -> None:
        for number in range(40):
            recorder.event(ABOUT, "Normal", f"Reason{number}", "m")
        recorder.event({**ABOUT, "name": "other", "uid": "o"}, "Normal", "Fine", "m")
        assert recorder.dropped == 15
        await clock.advance(300)
        recorder.event(ABOUT, "Normal", "Later", "a token every five minutes")

    play(sink, scene)
    assert [event["reason"] for event in sink.events.values()][-2:] == ["Fine", "Later"]


def test_an_event_that_has_expired_is_made_anew() -> None:
    sink = Sink()

    async def scene(recorder: EventRecorder, clock: VirtualClock) -> None:
        recorder.event(ABOUT, "Warning", "BackOff", "Back-off")
        await clock.advance(1)
        sink.events.clear()
        recorder.event(ABOUT, "Warning", "BackOff", "Back-off")

    play(sink, scene)
    assert sink.told() == [("Back-off", 2)]


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ([ConnectionResetError("x")], [("m", 1)]),
        ([StatusError(403, "Forbidden", "no")], []),
        ([ConnectionResetError("x")] * 3, []),
    ],
)
def test_what_cannot_be_written_is_dropped(errors: list[Exception], told: list[tuple[str, int]]) -> None:
    sink = Sink(*errors)

    async def scene(recorder: EventRecorder, clock: VirtualClock) -> None:
        recorder.event(ABOUT, "Normal", "R", "m")

    play(sink, scene)
    assert sink.told() == told


def test_a_dropped_event_is_written_the_next_time() -> None:
    sink = Sink(StatusError(403, "Forbidden", "no"))

    async def scene(recorder: EventRecorder, clock: VirtualClock) -> None:
        recorder.event(ABOUT, "Normal", "R", "m")
        await clock.advance(1)
        recorder.event(ABOUT, "Normal", "R", "m")

    play(sink, scene)
    assert sink.told() == [("m", 2)]
