"""One list and one watch for all who follow the same objects, however many they are and whenever they come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from longboat.aio.clock import VirtualClock
from longboat.api.workloads import Pod
from longboat.client.informer import Informer, Informers
from longboat.client.interface import Key
from longboat.client.reflector import Item, Needs
from longboat.client.rest import METADATA_LIST, RestClient
from longboat.controllers.endpoints.views import BackingPod
from longboat.controllers.pod_gc import Pod as EndedPod
from unit.client.scripted import Event, Scripted, pod

KEY = Key("d", "a")


def play(script: Scripted, check: Callable[[Informers, Callable[[], Awaitable[None]]], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = VirtualClock()
        informers = Informers(RestClient(script, clock), clock, "test")

        async def settle() -> None:
            await clock.advance(0)
            for _ in range(50):
                await asyncio.sleep(0)

        try:
            await check(informers, settle)
        finally:
            await informers.close()

    asyncio.run(main())


class Listens:
    """Notes what it is told, and copies nothing."""

    def __init__(self, needs: Needs = Needs.METADATA, *, fails: bool = False) -> None:
        self.needs, self._fails = needs, fails
        self.told: list[str] = []

    def relist(self) -> None:
        self.told.append("relist")

    def item(self, item: Item) -> None:
        self.told.append(item.meta.name)
        assert not self._fails

    async def listed(self) -> None:
        self.told.append("listed")

    def event(self, type: str, item: Item) -> None:
        self.told.append(f"{type} {item.meta.name}")
        assert not self._fails


def test_views_of_the_same_objects_share_a_stream_and_the_metadata() -> None:
    events: list[Event | Exception | None] = [("MODIFIED", pod("a", 3, labels={"app": "web"})), None]
    script = Scripted([([pod("a", 1)], 2)], [events])

    async def check(informers: Informers, settle: Callable[[], Awaitable[None]]) -> None:
        views: list[Informer[Any]] = [informers.of(view) for view in (Pod, BackingPod, EndedPod)]
        informers.start()
        await settle()
        assert script.asked == ["GET /api/v1/pods"] and script.watched == ["2"]
        found = [view.get(KEY) for view in views]
        assert [type(each) for each in found] == [Pod, BackingPod, EndedPod]
        assert all(each.metadata is found[0].metadata for each in found)
        assert found[0].metadata.labels == {"app": "web"}

    play(script, check)


def test_one_who_comes_late_is_told_of_all_and_the_others_of_nothing_anew() -> None:
    script = Scripted([([pod("a", 1)], 2), ([pod("a", 1), pod("b", 3)], 4)], [[None], [("DELETED", pod("a", 5)), None]])

    async def check(informers: Informers, settle: Callable[[], Awaitable[None]]) -> None:
        first, told = informers.of(Pod), list[str]()
        first.on_change(lambda old, new: told.append(f"{old and old.metadata.name} {new and new.metadata.name}"))
        informers.start()
        await settle()
        second, listens = informers.of(BackingPod), Listens()
        informers.follow(Pod.KIND, listens)
        await settle()
        assert script.watched == ["2", "4"], "two came at once: the objects were listed once more, not twice"
        assert told == ["None a", "None b", "a None"]
        assert [each.metadata.name for each in second.values()] == ["b"]
        assert listens.told == ["relist", "a", "b", "listed", "DELETED a"]

    play(script, check)


def test_the_stream_ends_with_the_last_who_listens() -> None:
    script = Scripted([([], 1), ([], 2), ([], 3)], [[None], [None], [("ADDED", pod("a", 4)), None]])

    async def check(informers: Informers, settle: Callable[[], Awaitable[None]]) -> None:
        one, other = Listens(), Listens()
        informers.follow(Pod.KIND, one)
        await settle()
        informers.follow(Pod.KIND, other)
        await settle()
        informers.drop(one)
        informers.drop(other)
        informers.drop(other)
        await settle()
        informers.follow(Pod.KIND, other)
        await settle()
        assert script.watched == ["1", "2", "3"]
        tally = informers.tallies()[Pod.KIND]
        assert (tally.lists, tally.watches, tally.taken.count) == (3, 3, 1), "of the stream that ended, too"
        assert one.told == ["relist", "listed"] * 2 and other.told[-1] == "ADDED a"

    play(script, check)


def test_one_who_fails_or_leaves_while_being_told_harms_nobody() -> None:
    script = Scripted([([pod("a", 1)], 2)], [[("ADDED", pod("b", 3)), ("ADDED", pod("c", 4)), None]])

    async def check(informers: Informers, settle: Callable[[], Awaitable[None]]) -> None:
        fails, leaves, stays = Listens(fails=True), Informer(Pod), Listens()
        leaves.on_change(lambda old, new: informers.drop(leaves))
        for each in (fails, leaves, stays):
            informers.follow(Pod.KIND, each)
        await settle()
        assert len(script.asked) == 1, "all of them came before it began"
        assert stays.told == ["relist", "a", "listed", "ADDED b", "ADDED c"]
        assert fails.told == stays.told
        assert [each.metadata.name for each in leaves.values()] == ["a"]

    play(script, check)


def test_no_more_is_listed_than_somebody_needs() -> None:
    asked: list[tuple[str, str]] = []

    class Noting(Scripted):
        async def request(self, method: str, path: str, **options: Any) -> bytes:  # type: ignore[override]
            asked.append((options["query"]["limit"], options["accept"]))
            return await super().request(method, path, **options)

    script = Noting([([pod("a", n)], n) for n in range(1, 4)], [[None], [None], [None]])

    async def check(informers: Informers, settle: Callable[[], Awaitable[None]]) -> None:
        none = Listens(Needs.NOTHING)
        informers.follow(Pod.KIND, none)
        await settle()
        assert none.told == ["relist", "listed"]
        informers.follow(Pod.KIND, Listens())
        await settle()
        informers.follow(Pod.KIND, Informer(Pod))
        await settle()
        assert asked == [("1", METADATA_LIST), ("500", METADATA_LIST), ("500", "application/json")]

    play(script, check)
