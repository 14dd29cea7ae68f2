"""What every storage promises, tested on each."""

from __future__ import annotations

import asyncio

import pytest

from longboat.storage.interface import Compacted, Event, FutureRevision, Item, KeyExists, RevisionMismatch, Storage
from suites.backends import Pass, events, every_backend

PODS = "/registry/pods/"


@every_backend
async def test_what_was_written_is_read(storage: Storage) -> None:
    assert await storage.get(PODS + "a/x") is None
    first = await storage.create(PODS + "a/x", b"1")
    assert await storage.get(PODS + "a/x") == Item(PODS + "a/x", b"1", first)
    second = await storage.update(PODS + "a/x", b"\x00\xff", expect=first)
    assert await storage.get(PODS + "a/x") == Item(PODS + "a/x", b"\x00\xff", second)
    third = await storage.delete(PODS + "a/x", expect=second)
    assert await storage.get(PODS + "a/x") is None
    assert first < second < third == await storage.current_revision()


@every_backend
async def test_a_lost_comparison_tells_what_is_there(storage: Storage) -> None:
    first = await storage.create(PODS + "a/x", b"1")
    with pytest.raises(KeyExists):
        await storage.create(PODS + "a/x", b"2")
    second = await storage.update(PODS + "a/x", b"2", expect=first)
    for expect in (first, 0, second + 1, 2**63 - 1, 2**63):
        with pytest.raises(RevisionMismatch) as lost:
            await storage.update(PODS + "a/x", b"3", expect=expect)
        assert lost.value.current == Item(PODS + "a/x", b"2", second)
        with pytest.raises(RevisionMismatch):
            await storage.delete(PODS + "a/x", expect=expect)
    with pytest.raises(RevisionMismatch) as lost:
        await storage.update(PODS + "a/y", b"3", expect=first)
    assert lost.value.current is None
    assert await storage.current_revision() == second


@every_backend
async def test_of_racing_writers_exactly_one_wins(storage: Storage) -> None:
    created = await asyncio.gather(
        *(storage.create(PODS + "a/x", b"%d" % i) for i in range(50)), return_exceptions=True
    )
    assert sum(isinstance(result, int) for result in created) == 1
    assert sum(isinstance(result, KeyExists) for result in created) == 49

    async def increment() -> None:
        while True:
            item = await storage.get(PODS + "a/n")
            assert item is not None
            try:
                await storage.update(item.key, b"%d" % (int(item.value) + 1), expect=item.revision)
                return
            except RevisionMismatch:
                continue

    await storage.create(PODS + "a/n", b"0")
    await asyncio.gather(*(increment() for _ in range(30)))
    item = await storage.get(PODS + "a/n")
    assert item is not None
    assert item.value == b"30"


@every_backend
async def test_a_failing_write_leaves_the_rest_of_its_batch_alone(storage: Storage) -> None:
    there = await storage.create(PODS + "a/there", b"")
    results = await asyncio.gather(
        storage.create(PODS + "a/1", b""),
        storage.create(PODS + "a/there", b""),
        storage.update(PODS + "a/there", b"new", expect=there),
        storage.update(PODS + "a/none", b"", expect=7),
        storage.create(PODS + "a/2", b""),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [int, KeyExists, int, RevisionMismatch, int]
    keys = [item.key for item in (await storage.list(PODS)).items]
    assert keys == [PODS + "a/1", PODS + "a/2", PODS + "a/there"]


@every_backend
async def test_listings_are_in_key_order_and_beneath_the_prefix(storage: Storage) -> None:
    names = ["b/a", "a/z", "a/b", "a-b/c", "a/b-c", "é/x", "𐍈/x", "\ufffd/x"]
    for name in names:
        await storage.create(PODS + name, name.encode())
    for other in ("/registry/pod", "/registry/podsx/a", "/registry/configmaps/a/b"):
        await storage.create(other, b"")
    page = await storage.list(PODS)
    assert [item.key for item in page.items] == sorted(PODS + name for name in names)
    assert page.revision == await storage.current_revision()
    assert [item.value for item in (await storage.list(PODS + "a/")).items] == [b"a/b", b"a/b-c", b"a/z"]


@every_backend
async def test_pages_come_from_one_snapshot(storage: Storage) -> None:
    for i in range(10):
        await storage.create(f"{PODS}a/{i}", b"old")
    first = await storage.list(PODS, limit=4)
    assert first.more
    for i in (2, 6):
        item = await storage.get(f"{PODS}a/{i}")
        assert item is not None
        await storage.delete(item.key, expect=item.revision)
    item = await storage.get(f"{PODS}a/7")
    assert item is not None
    await storage.update(item.key, b"new", expect=item.revision)
    await storage.create(f"{PODS}a/55", b"new")
    found, page = list(first.items), first
    while page.more:
        page = await storage.list(PODS, at_revision=first.revision, limit=4, after=found[-1].key)
        assert page.revision == first.revision
        found += page.items
        assert page.remaining == 10 - len(found)
    assert [(item.key, item.value) for item in found] == [(f"{PODS}a/{i}", b"old") for i in range(10)]
    with pytest.raises(FutureRevision):
        await storage.list(PODS, at_revision=await storage.current_revision() + 10_000)


@every_backend
async def test_a_page_that_ends_at_its_limit_says_whether_there_is_more(storage: Storage) -> None:
    for i in range(4):
        await storage.create(f"{PODS}a/{i}", b"")
    assert not (await storage.list(PODS, limit=4)).more
    assert (await storage.list(PODS, limit=3)).more
    assert not (await storage.list(PODS, limit=3, after=PODS + "a/0")).more


@every_backend
async def test_a_long_listing_arrives_whole(storage: Storage) -> None:
    for i in range(40):
        await storage.create(f"{PODS}a/{i:03}", bytes(100_000))
    page = await storage.list(PODS)
    assert len(page.items) == 40
    assert not page.more
    page = await storage.list(PODS, limit=39)
    assert len(page.items) == 39
    assert page.more


@every_backend
async def test_a_watch_tells_all_in_order_from_any_revision(storage: Storage) -> None:
    base = await storage.current_revision()
    await asyncio.gather(*(storage.create(f"{PODS}a/{i}", b"%d" % i) for i in range(20)))
    await storage.create("/registry/other/x", b"")
    item = await storage.get(PODS + "a/3")
    assert item is not None
    updated = await storage.update(item.key, b"new", expect=item.revision)
    last = await storage.delete(item.key, expect=updated)
    everything = await events(storage, PODS, base, last)
    assert [event.revision - base for event in everything] == [*range(1, 21), 22, 23]
    assert everything[-2:] == [Event(item.key, updated, b"new", b"3"), Event(item.key, last, None, b"new")]
    for after in range(base, last):
        assert await events(storage, PODS, after, last) == [event for event in everything if event.revision > after]
    assert await events(storage, PODS, last - 1, last, previous=False) == [Event(item.key, last, None, None)]


@every_backend
async def test_a_watch_goes_on_with_what_happens_next(storage: Storage) -> None:
    base = await storage.current_revision()
    seen = asyncio.create_task(events(storage, PODS, base, base + 300))
    await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.gather(*(storage.create(f"{PODS}a/{i}", b"") for i in range(10)))
        for item in (await storage.list(PODS)).items:
            await storage.delete(item.key, expect=await storage.update(item.key, b"2", expect=item.revision))
    assert [event.revision for event in await seen] == list(range(base + 1, base + 301))


@every_backend
async def test_previous_values_go_only_to_the_watch_that_wants_them(storage: Storage) -> None:
    revision = await storage.create(PODS + "a/x", b"0")
    with_old = asyncio.create_task(events(storage, PODS, revision, revision + 3))
    without = asyncio.create_task(events(storage, PODS, revision, revision + 3, previous=False))
    await storage.current_revision()
    for i in range(3):
        revision = await storage.update(PODS + "a/x", b"%d" % (i + 1), expect=revision)
    assert [event.previous for event in await with_old] == [b"0", b"1", b"2"]
    assert [event.previous for event in await without] == [None, None, None]


@every_backend
async def test_compaction_forgets_the_past_and_keeps_the_present(storage: Storage) -> None:
    base = await storage.current_revision()
    revision = await storage.create(PODS + "a/x", b"0")
    for i in range(1, 10):
        revision = await storage.update(PODS + "a/x", b"%d" % i, expect=revision)
    gone = await storage.create(PODS + "a/gone", b"")
    await storage.delete(PODS + "a/gone", expect=gone)
    await storage.create(PODS + "a/y", b"y")
    whole = {at: (await storage.list(PODS, at_revision=at)).items for at in range(base + 5, base + 14)}
    history = await events(storage, PODS, base + 5, base + 13)
    await storage.compact(base + 5)
    await storage.compact(base + 3)  # older than what is forgotten already: nothing to do
    for at in range(base + 5, base + 14):
        assert (await storage.list(PODS, at_revision=at)).items == whole[at]
        assert await events(storage, PODS, at, base + 13) == [event for event in history if event.revision > at]
    for action in (storage.list(PODS, at_revision=base + 4), anext(storage.watch(PODS, base + 4))):
        with pytest.raises(Compacted) as compacted:
            await action
        assert compacted.value.oldest == base + 5
    await storage.compact(base + 13)
    assert (await storage.list(PODS)).items == whole[base + 13]
    assert await storage.current_revision() == base + 13
    with pytest.raises(FutureRevision):
        await storage.compact(base + 14)
    assert await storage.create(PODS + "a/z", b"") == base + 14


@every_backend
async def test_keys_go_when_their_time_is_up(storage: Storage, let_pass: Pass) -> None:
    brief = await storage.create(PODS + "a/brief", b"", ttl=0.05)
    prolonged = await storage.create(PODS + "a/prolonged", b"", ttl=0.05)
    kept = await storage.create(PODS + "a/kept", b"", ttl=0.05)
    await storage.update(PODS + "a/prolonged", b"", expect=prolonged, ttl=3600)
    await storage.update(PODS + "a/kept", b"", expect=kept)
    told = await events(storage, PODS, kept, kept + 2)
    assert all(event.value is not None for event in told)
    await let_pass(0.3)
    assert [item.key for item in (await storage.list(PODS)).items] == [PODS + "a/kept", PODS + "a/prolonged"]
    assert await events(storage, PODS, kept + 2, kept + 3) == [Event(PODS + "a/brief", kept + 3, None, b"")]
    assert brief < await storage.current_revision() == kept + 3
