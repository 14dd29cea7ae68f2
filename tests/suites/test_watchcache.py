"""The watch cache over each storage: it always tells what the storage tells, sooner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longboat.aio.clock import SystemClock, VirtualClock
from longboat.storage.entry import Change
from longboat.storage.feed import TICK, Feed
from longboat.storage.interface import Compacted, FutureRevision, Progress, Storage
from longboat.storage.memory import MemoryStorage
from longboat.storage.watchcache import LONGEST, RETAINED_FOR, WatchCache
from longboat.storage.watcher import Watcher
from suites.backends import BACKENDS, Pass, every_backend

PODS, NODES = "/registry/pods/", "/registry/minions/"


def describe(body: bytes) -> tuple[Mapping[str, str], Mapping[str, str]]:
    metadata = msgspec.json.decode(body)["metadata"]
    return metadata.get("labels") or {}, {"metadata.name": metadata["name"]}


def pod(name: str, **labels: str) -> bytes:
    return msgspec.json.encode({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}})


@asynccontextmanager
async def caches(storage: Storage, *prefixes: str) -> AsyncIterator[list[WatchCache]]:
    clock = SystemClock()
    feed = Feed(storage, clock)
    made = [WatchCache(storage, prefix, clock, describe, feed=feed) for prefix in prefixes]
    for cache in made:
        await cache.start()
    try:
        yield made
    finally:
        await feed.close()


async def create(storage: Storage, cache: WatchCache, key: str, **labels: str) -> int:
    revision = await storage.create(key, pod(key.rpartition("/")[2], **labels))
    await cache.wait_for(revision)
    return revision


async def take(watcher: Watcher, count: int) -> list[Change]:
    taken: list[Change] = []
    while len(taken) < count:
        batch = await asyncio.wait_for(anext(watcher), 5)
        if not isinstance(batch, Progress):
            taken += batch
    return taken


@every_backend
async def test_it_serves_what_was_there_and_what_comes(storage: Storage) -> None:
    first = await storage.create(PODS + "a/x", pod("x", app="web"))
    async with caches(storage, PODS, NODES) as (pods, nodes):
        entry = pods.get(PODS + "a/x")
        assert entry is not None
        assert msgspec.json.decode(entry.body)["metadata"]["resourceVersion"] == str(first) == str(entry.revision)
        assert msgspec.json.decode(entry.metadata) == msgspec.json.decode(entry.body)["metadata"]
        assert (entry.labels, entry.fields) == ({"app": "web"}, {"metadata.name": "x"})
        second = await storage.update(entry.key, pod("x", app="db"), expect=first)
        await nodes.wait_for(second)
        fresh = pods.get(entry.key)
        assert fresh is not None
        assert fresh.labels == {"app": "db"}
        await create(storage, nodes, NODES + "n1")
        assert [e.key for e in nodes.snapshot().entries(NODES)] == [NODES + "n1"]
        await pods.wait_for(await storage.delete(entry.key, expect=second))
        assert pods.get(entry.key) is None
        assert len(pods) == 0
        assert pods.revision == await storage.current_revision()


@every_backend
async def test_a_snapshot_never_changes(storage: Storage) -> None:
    async with caches(storage, PODS) as (cache,):
        for i in range(5):
            await create(storage, cache, f"{PODS}a/{i}")
        before = cache.snapshot()
        entry = cache.get(PODS + "a/2")
        assert entry is not None
        await cache.wait_for(await storage.delete(entry.key, expect=entry.revision))
        await create(storage, cache, PODS + "a/9")
        assert [e.key[-1] for e in before.entries(PODS)] == list("01234")
        assert [e.key[-1] for e in cache.snapshot().entries(PODS)] == list("01349")
        assert before.revision < cache.snapshot().revision


@every_backend
async def test_a_watch_starts_anywhere_in_the_ring_and_shares_its_batches(storage: Storage) -> None:
    async with caches(storage, PODS, NODES) as (cache, nodes):
        start = cache.revision
        one = cache.watch(PODS, start)
        two = cache.watch(PODS, start)
        for i in range(3):
            await create(storage, cache, f"{PODS}a/{i}")
        await create(storage, nodes, NODES + "n")
        seen = await take(one, 3)
        assert [change.new.key[-1] for change in seen if change.new] == list("012")
        assert all(mine is its for mine, its in zip(seen, await take(two, 3), strict=True))
        later = cache.watch(PODS, seen[0].revision)
        assert await take(later, 2) == seen[1:]
        last = seen[-1]
        assert last.new is not None
        gone = await storage.delete(last.new.key, expect=last.new.revision)
        (change,) = await take(one, 1)
        assert (change.old, change.new, change.revision) == (last.new, None, gone)
        assert msgspec.json.decode(change.removed.body)["metadata"]["resourceVersion"] == str(gone)
        one.close()
        with pytest.raises(StopAsyncIteration):
            await anext(one)


@every_backend
async def test_a_watch_of_a_namespace_hears_of_no_other(storage: Storage) -> None:
    async with caches(storage, PODS) as (cache,):
        start = cache.revision
        everything, mine = cache.watch(PODS, start), cache.watch(PODS + "a/", start)
        for name in ("a/1", "ab/1", "b/1", "a/2"):
            await create(storage, cache, PODS + name)
        assert [change.key for change in await take(mine, 2)] == [PODS + "a/1", PODS + "a/2"]
        assert len(await take(everything, 4)) == 4
        assert [change.key for change in await take(cache.watch(PODS + "b/", start), 1)] == [PODS + "b/1"]


@every_backend
async def test_pages_of_a_listing_come_from_one_snapshot_even_after_a_restart(storage: Storage) -> None:
    async with caches(storage, PODS) as (cache,):
        for i in range(10):
            await create(storage, cache, f"{PODS}a/{i}")
        first = await cache.page(PODS, limit=4)
        assert (first.more, first.remaining) == (True, 6)
        await create(storage, cache, PODS + "a/55")
        entry = cache.get(PODS + "a/7")
        assert entry is not None
        await cache.wait_for(await storage.delete(entry.key, expect=entry.revision))
        second = await cache.page(PODS, at_revision=first.revision, after=PODS + "a/3", limit=4)
        assert [e.key[-1] for e in second.entries] == list("4567")
        assert (second.revision, second.remaining) == (first.revision, 2)
    async with caches(storage, PODS) as (restarted,):
        third = await restarted.page(PODS, at_revision=first.revision, after=PODS + "a/7", limit=4)
        assert [e.key[-1] for e in third.entries] == list("89")
        assert not third.more
        with pytest.raises(FutureRevision):
            await restarted.page(PODS, at_revision=restarted.revision + 1000, limit=4)
        await storage.compact(await storage.current_revision())
        with pytest.raises(Compacted):
            await restarted.page(PODS, at_revision=first.revision, after=PODS + "a/7", limit=4)


@every_backend
async def test_watches_resume_across_a_restart_of_the_cache(storage: Storage) -> None:
    base = await storage.current_revision()
    for i in range(5):
        await storage.create(f"{PODS}a/{i}", pod(str(i)))
    async with caches(storage, PODS) as (cache,):
        assert [change.key[-1] for change in await take(cache.watch(PODS, base + 2), 3)] == list("234")
    await storage.compact(base + 4)
    async with caches(storage, PODS) as (cache,):
        with pytest.raises(Compacted):
            cache.watch(PODS, base + 3)
        assert len(await take(cache.watch(PODS, base + 4), 1)) == 1


@every_backend
async def test_a_cache_that_joins_later_misses_nothing(storage: Storage) -> None:
    async with caches(storage, PODS) as (pods,):
        feed = pods._feed
        await create(storage, pods, NODES + "before")
        nodes = WatchCache(storage, NODES, feed.clock, describe, feed=feed)
        busy = asyncio.gather(*(storage.create(f"{NODES}{i}", pod(str(i))) for i in range(50)))
        await nodes.start()
        await nodes.wait_for(max(await busy))
        assert len(nodes) == 51
        assert nodes.get(NODES + "before")
        assert len(await take(nodes.watch(NODES, nodes.revision), 0)) == 0
        await nodes.stop()
        assert NODES not in feed._caches


@every_backend
async def test_one_unreadable_object_hides_no_other(storage: Storage, let_pass: Pass) -> None:
    for i, odd in enumerate((b"", b"\x00", b"[]", b"{}", b'{"metadata":7}', b'{"metadata":{}}')):
        await storage.create(f"{PODS}odd/{i}", odd)
    with pytest.MonkeyPatch.context() as patch:
        complaints: list[Any] = []
        patch.setattr("longboat.storage.watchcache.log.exception", lambda *args: complaints.append(args))
        async with caches(storage, PODS) as (cache,):
            await create(storage, cache, PODS + "a/x")
            assert [entry.key for entry in cache.snapshot().entries(PODS)] == [PODS + "a/x"]
        assert {args[1] for args in complaints} == {f"{PODS}odd/{i}" for i in range(6)}


def test_a_slow_watcher_is_closed_with_what_it_had() -> None:
    async def main() -> None:
        storage = MemoryStorage(SystemClock())
        async with caches(storage, PODS) as (cache,):
            slow, quick = cache.watch(PODS, 0, buffer=10), cache.watch(PODS, 0)
            for i in range(12):
                await create(storage, cache, f"{PODS}a/{i:02}")
            assert slow.slow
            assert not quick.slow
            assert len(await take(slow, 11)) == 11
            with pytest.raises(StopAsyncIteration):
                await anext(slow)
            assert len(await take(quick, 12)) == 12
            assert list(cache._watchers) == [PODS]

    asyncio.run(main())


def test_lost_history_is_made_up_for_by_comparing() -> None:
    async def main() -> None:
        clock = VirtualClock()
        storage = Stalling(clock)
        feed = Feed(storage, clock)
        cache = WatchCache(storage, PODS, clock, describe, feed=feed)
        keys = [f"{PODS}a/{i}" for i in range(4)]
        revisions = [await storage.create(key, pod(key[-1])) for key in keys]
        await cache.start()
        watcher = cache.watch(PODS, cache.revision)
        storage.flowing.clear()
        await storage.delete(keys[0], expect=revisions[0])
        await storage.update(keys[1], pod("1", seen="yes"), expect=revisions[1])
        await storage.update(keys[2], pod("2", seen="yes"), expect=revisions[2])
        last = await storage.create(PODS + "a/9", pod("9"))
        await storage.compact(last)
        await clock.advance(1)
        storage.flowing.set()
        await clock.advance(1)
        await cache.wait_for(last)
        told = [(change.key[-1], change.new is None, change.revision) for change in await take(watcher, 4)]
        assert told == [("1", False, 6), ("2", False, 7), ("9", False, 8), ("0", True, 8)]
        assert [entry.key[-1] for entry in cache.snapshot().entries(PODS)] == list("1239")
        await feed.close()
        await storage.close()

    asyncio.run(main())


class Stalling(MemoryStorage):
    """While `flowing` is not set its watches hold back what they have; then it is too late for it."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.flowing = asyncio.Event()
        self.flowing.set()

    async def watch(self, prefix: str, from_revision: int, *, previous: bool = True) -> AsyncIterator[Any]:
        async for batch in super().watch(prefix, from_revision, previous=previous):
            if not self.flowing.is_set():
                await self.flowing.wait()
                raise Compacted(self._oldest)
            yield batch


def test_a_watcher_reports_how_far_it_has_come() -> None:
    async def main() -> None:
        clock = VirtualClock()
        storage = MemoryStorage(clock)
        feed = Feed(storage, clock)
        pods = WatchCache(storage, PODS, clock, describe, feed=feed)
        await pods.start()
        watcher = pods.watch(PODS, 0)
        revision = await storage.create(NODES + "n", pod("n"))
        await pods.wait_for(revision)
        watcher.report(pods.revision)
        assert await anext(watcher) == Progress(revision)
        watcher.report(pods.revision)
        assert await anext(watcher) == Progress(revision), "as often as it is asked, though nothing has changed"
        await feed.close()
        await storage.close()

    asyncio.run(main())


def test_a_listing_under_way_comes_to_an_end() -> None:
    """Pages that are asked for all the time come from the history after a while, and that is compacted."""

    async def main() -> None:
        clock = VirtualClock()
        storage = MemoryStorage(clock)
        cache = WatchCache(storage, PODS, clock, describe)
        await cache.start()
        for i in range(4):
            await create(storage, cache, f"{PODS}a/{i}")
        page = await cache.page(PODS, limit=1)
        await create(storage, cache, f"{PODS}a/00")
        await storage.compact(cache.revision)
        for _ in range(int(LONGEST // 20)):
            rest = await cache.page(PODS, at_revision=page.revision, after=PODS + "a/0", limit=1)
            assert rest.remaining == 2
            await clock.advance(20)
        with pytest.raises(Compacted):
            await cache.page(PODS, at_revision=page.revision, after=PODS + "a/0", limit=1)
        await cache.stop()
        await storage.close()

    asyncio.run(main())


def test_a_snapshot_is_not_kept_for_ever() -> None:
    async def main() -> None:
        clock = VirtualClock()
        storage = MemoryStorage(clock)
        cache = WatchCache(storage, PODS, clock, describe)
        await cache.start()
        for i in range(4):
            await create(storage, cache, f"{PODS}a/{i}")
        page = await cache.page(PODS, limit=1)
        await clock.advance(RETAINED_FOR / 2)
        assert list(cache._retained) == [page.revision]
        await create(storage, cache, f"{PODS}a/00")
        await cache.page(PODS, at_revision=page.revision, after=PODS + "a/0", limit=1)
        await clock.advance(RETAINED_FOR - 1)
        assert list(cache._retained) == [page.revision], "each page asked for prolongs its life"
        await clock.advance(TICK + 1)
        assert not cache._retained
        rest = await cache.page(PODS, at_revision=page.revision, after=PODS + "a/0", limit=1)
        assert ([entry.key[-1] for entry in rest.entries], rest.remaining) == (["1"], 2), "counted in the history, too"
        await cache.stop()
        await storage.close()

    asyncio.run(main())


def test_waiting_for_a_revision_can_be_given_up() -> None:
    async def main() -> None:
        async with caches(MemoryStorage(SystemClock()), PODS) as (cache,):
            waiting = asyncio.create_task(cache.wait_for(99))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert cache._feed._waiting == []

    asyncio.run(main())


OPERATIONS = st.lists(
    st.tuples(st.sampled_from([PODS + name for name in ("a/1", "a/2", "b/1", "c")]), st.integers(0, 2)), max_size=30
)


@pytest.mark.parametrize("backend", BACKENDS)
def test_whatever_happens_the_cache_and_its_watchers_agree_with_the_storage(backend: str) -> None:
    async def check(storage: Storage, operations: Sequence[tuple[str, int]]) -> None:
        for item in (await storage.list(PODS)).items:
            await storage.delete(item.key, expect=item.revision)
        async with caches(storage, PODS) as (cache,):
            start = revision = cache.revision
            watcher = cache.watch(PODS, start)
            expected: list[tuple[int, str]] = []
            for key, action in operations:
                there = cache.get(key)
                if there is None:
                    revision = await storage.create(key, pod("x"))
                elif action == 0:
                    revision = await storage.delete(key, expect=there.revision)
                else:
                    revision = await storage.update(key, pod("x", action=str(action)), expect=there.revision)
                expected.append((revision, key))
                await cache.wait_for(revision)
            page = await storage.list(PODS)
            assert [(e.key, e.revision) for e in cache.snapshot().entries(PODS)] == [
                (item.key, item.revision) for item in page.items
            ]
            told = await take(watcher, len(expected))
            assert [(change.revision, change.key) for change in told] == expected
            state: dict[str, Any] = {}
            for change in told:
                assert state.get(change.key) is change.old
                state[change.key] = change.new

    with asyncio.Runner() as runner:
        opened = BACKENDS[backend]()
        storage, _ = runner.run(opened.__aenter__())

        @settings(max_examples=6 if backend.startswith("etcd") else 40)
        @given(OPERATIONS)
        def explore(operations: list[tuple[str, int]]) -> None:
            runner.run(check(storage, operations))

        try:
            explore()
        finally:
            runner.run(opened.__aexit__(None, None, None))
