"""Informers: whatever happens to the connection, handlers hear of every change, and the copy ends up true."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from longboat.aio.clock import VirtualClock
from longboat.aio.tasks import Tasks
from longboat.api.workloads import Pod
from longboat.client.informer import Informer
from longboat.client.interface import Key
from longboat.client.reflector import Reflector
from longboat.client.rest import RestClient
from unit.client.scripted import Event, Scripted, gone, pod

Told = list[tuple[str, str]]


def play(
    script: Scripted, check: Callable[[Informer[Pod], VirtualClock, Told], Awaitable[None]], seconds: float = 0
) -> None:
    async def main() -> None:
        clock = VirtualClock()
        reflector, informer = Reflector(Pod.KIND, RestClient(script, clock), clock), Informer(Pod)
        reflector.add(informer)
        told: Told = []
        informer.on_change(lambda old, new: told.append((version(old), version(new))))
        informer.index("node", lambda each: (each.metadata.labels["node"],) if each.metadata.labels else ())
        async with Tasks("test") as tasks:
            tasks.spawn("informer", reflector.run())
            await clock.advance(seconds)
            for _ in range(200):
                await asyncio.sleep(0)
            await check(informer, clock, told)

    asyncio.run(main())


def version(obj: Any) -> str:
    return f"{obj.metadata.name}{obj.metadata.resourceVersion}" if obj else ""


def test_changes_are_told_in_order() -> None:
    async def check(informer: Informer[Pod], clock: VirtualClock, told: Told) -> None:
        assert told == [("", "a1"), ("", "b3"), ("a1", "a4"), ("b5", "")]
        assert [each.metadata.name for each in informer.values()] == ["a"]

    events: list[Event | Exception | None] = [
        ("ADDED", pod("b", 3)), ("MODIFIED", pod("a", 4)), ("DELETED", pod("b", 5)), None,
    ]  # fmt: skip
    play(Scripted([([pod("a", 1)], 2)], [events]), check)


def test_a_broken_watch_goes_on_where_it_was() -> None:
    script = Scripted(
        [([], 1)],
        [
            [("ADDED", pod("a", 3)), ConnectionResetError("gone")],
            [("BOOKMARK", pod("", 9))],
            [],
            [("ADDED", pod("b", 10)), None],
        ],
    )

    async def check(informer: Informer[Pod], clock: VirtualClock, told: Told) -> None:
        assert script.watched == ["1", "3", "9", "9"] and script.asked == ["GET /api/v1/pods"]
        assert told == [("", "a3"), ("", "b10")]

    play(script, check, seconds=60)


def test_after_410_the_differences_are_told() -> None:
    script = Scripted([([pod("a", 1), pod("b", 2)], 2), ([pod("b", 2), pod("c", 7)], 8)], [[gone()], [None]])

    async def check(informer: Informer[Pod], clock: VirtualClock, told: Told) -> None:
        assert told[2:] == [("a1", ""), ("", "c7")], "at once: one 410 is no reason to wait"
        assert script.watched == ["2", "8"]

    play(script, check)


def test_a_server_that_only_says_410_is_not_asked_without_end() -> None:
    script = Scripted([([], n) for n in range(1000)], [[gone()] for _ in range(1000)])

    async def check(informer: Informer[Pod], clock: VirtualClock, told: Told) -> None:
        assert 5 <= len(script.asked) <= 20

    play(script, check, seconds=60)


def test_a_watch_that_ends_at_once_is_not_taken_up_without_end() -> None:
    script = Scripted([([], 1)], [[] for _ in range(1000)])

    async def check(informer: Informer[Pod], clock: VirtualClock, told: Told) -> None:
        assert 5 <= len(script.watched) <= 20

    play(script, check, seconds=60)


def odd(name: str, version: int) -> dict[str, Any]:
    return pod(name, version) | {"status": {"containerStatuses": [{"restartCount": "many"}]}}


def test_an_odd_object_is_passed_over() -> None:
    script = Scripted(
        [([pod("a", 1), odd("b", 2)], 2), ([odd("a", 4), pod("c", 5)], 6)],
        [[("MODIFIED", odd("a", 3)), ("ADDED", odd("d", 4)), gone()], [("DELETED", odd("a", 7)), None]],
    )

    async def check(informer: Informer[Pod], clock: VirtualClock, told: Told) -> None:
        assert told == [("", "a1"), ("", "c5"), ("a1", "")], "odd or not, it was there; its end is told"
        assert informer.odd == 5

    play(script, check)


def test_a_handler_that_raises_harms_nobody() -> None:
    script = Scripted([([], 1)], [[("ADDED", pod("a", 2)), ("ADDED", pod("b", 3)), None]])

    async def main() -> None:
        clock = VirtualClock()
        reflector, informer = Reflector(Pod.KIND, RestClient(script, clock), clock), Informer(Pod)
        reflector.add(informer)
        told: Told = []
        informer.on_change(lambda old, new: 1 // 0)
        informer.on_change(lambda old, new: told.append((version(old), version(new))))
        async with Tasks("test") as tasks:
            tasks.spawn("informer", reflector.run())
            await clock.advance(0)
            assert told == [("", "a2"), ("", "b3")] and informer.failures == 2

    asyncio.run(main())


NAMES = st.sampled_from("abc")
STEP = st.one_of(
    st.tuples(st.just("put"), NAMES, st.sampled_from(["", "n1", "n2"])),
    st.tuples(st.just("drop"), NAMES, st.just("")),
    st.tuples(st.sampled_from(["reset", "410", "miss"]), st.just(""), st.just("")),
)


@given(st.lists(STEP, max_size=30))
def test_whatever_happens_the_copy_ends_up_true(steps: list[tuple[str, str, str]]) -> None:
    """Changes, broken connections, 410s with changes missed meanwhile: objects and indexes are those of the server."""
    objects: dict[str, dict[str, Any]] = {}
    lists: list[tuple[list[dict[str, Any]], int] | Exception] = [([], 1)]
    watches: list[list[Event | Exception | None]] = [[]]
    revision, missing = 1, False
    for what, name, node in steps:
        revision += 1
        event: Event | None = None
        if what == "put":
            made = pod(name, revision, labels={"node": node} if node else {})
            event = ("MODIFIED" if name in objects else "ADDED", made)
            objects[name] = made
        elif what == "drop" and name in objects:
            # The last state may differ from the one that was told before.
            event = ("DELETED", pod(name, revision, labels={"node": "elsewhere"}))
            del objects[name]
        elif what == "reset" and not missing:
            watches[-1].append(ConnectionResetError("reset"))
            watches.append([])
        elif what == "miss":
            missing = True
        elif what == "410":
            watches[-1].append(gone())
            watches.append([])
            lists.append((list(objects.values()), revision))
            missing = False
        if event is not None and not missing:
            watches[-1].append(event)
    if missing:
        watches[-1].append(gone())
        watches.append([])
        lists.append((list(objects.values()), revision))
    watches[-1].append(None)

    async def check(informer: Informer[Pod], clock: VirtualClock, told: Told) -> None:
        assert sorted(version(each) for each in informer.values()) == sorted(
            f"{name}{each['metadata']['resourceVersion']}" for name, each in objects.items()
        )
        for node in ("n1", "n2", "elsewhere"):
            there = {n for n, each in objects.items() if each["metadata"]["labels"].get("node") == node}
            assert {each.metadata.name for each in informer.by_index("node", node)} == there
        assert informer.get(Key("d", "a")) is not None or "a" not in objects

    play(Scripted(lists, watches), check, seconds=1000)
