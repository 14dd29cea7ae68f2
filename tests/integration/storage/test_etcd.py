"""etcd as storage when something is wrong with it: clear words, nothing lost, and work goes on where it can."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from longboat.aio.clock import SystemClock
from longboat.machinery.protos import messages
from longboat.machinery.protos.rpc import serve
from longboat.storage.etcd import identity
from longboat.storage.etcd.address import parse
from longboat.storage.etcd.compactor import Compactor
from longboat.storage.etcd.member import Member
from longboat.storage.etcd.storage import EtcdStorage, connect
from longboat.storage.feed import Feed
from longboat.storage.interface import Compacted, Event, Item, Progress, StorageError
from longboat.storage.watchcache import WatchCache
from suites.backends import ETCDS
from suites.etcds import BINARIES, Etcd, free_ports, shared

CLOCK = SystemClock()
PODS = "/registry/pods/"


@pytest.fixture(scope="module")
def three() -> Iterator[Etcd]:
    with Etcd(BINARIES["etcd"], 3) as etcd:
        yield etcd


async def refused(url: str, **files: Path) -> str:
    with pytest.raises(StorageError) as error:
        await connect(parse(url, **files), CLOCK)
    return str(error.value)


def test_nobody_there_is_said_at_once() -> None:
    (port,) = free_ports(1)
    said = asyncio.run(refused(f"etcd://127.0.0.1:{port}"))
    assert f"no member of etcd://127.0.0.1:{port}/registry can be used" in said
    assert "nothing listens there" in said


@pytest.mark.parametrize(("version", "named"), [("3.3.27", "etcd 3.3.27"), ("4.0.0", "etcd 4.0.0"), ("", "no etcd")])
def test_a_version_that_lacks_what_is_needed_is_refused(version: str, named: str) -> None:
    class Answers:
        async def Status(self, request: Any, context: Any) -> Any:
            return messages("etcdserverpb").StatusResponse(version=version, leader=1)

    async def main() -> str:
        server = grpc.aio.server()
        port = server.add_insecure_port("127.0.0.1:0")
        serve(server, "etcdserverpb.Maintenance", Answers())
        await server.start()
        try:
            return await refused(f"etcd://127.0.0.1:{port}")
        finally:
            await server.stop(None)

    assert f"is {named}" in asyncio.run(main())


@pytest.mark.parametrize(
    ("version", "trusted"),
    [((3, 4, 23), False), ((3, 4, 31), True), ((3, 5, 12), False), ((3, 5, 13), True), ((3, 6, 0), True)],
)
def test_what_a_member_says_of_progress_is_trusted_from_the_release_that_mended_it(
    version: tuple[int, ...], trusted: bool
) -> None:
    member = Member("a:1", parse("etcd://a:1"))
    member.version = version
    assert member.tells_progress is trusted


def test_members_of_two_etcds_are_refused(three: Etcd) -> None:
    said = asyncio.run(refused(f"{shared('etcd').url},{three.members[0].endpoint}"))
    assert "belongs to another cluster" in said


def test_one_member_of_two_is_enough() -> None:
    async def main() -> None:
        (port,) = free_ports(1)
        endpoint = shared("etcd").members[0].endpoint
        storage = await connect(parse(f"etcd://127.0.0.1:{port},{endpoint}/half"), CLOCK)
        revision = await storage.create(PODS + "a/x", b"1")
        assert await storage.get(PODS + "a/x") == Item(PODS + "a/x", b"1", revision)
        await storage.close()

    asyncio.run(main())


def test_two_clusters_never_share_a_prefix() -> None:
    async def main() -> None:
        url = shared("etcd").url
        storage = await connect(parse(f"{url}/taken"), CLOCK)
        await identity.claim(storage, "one")
        await identity.claim(storage, "one")
        with pytest.raises(StorageError, match="holds another cluster \\(one\\)"):
            await identity.claim(storage, "two")
        assert await identity.read(storage) == identity.Identity("one")
        await identity.put(storage, identity.Identity("one", filling=True), over=identity.Identity("one"))
        with pytest.raises(StorageError, match="half filled"):
            await identity.claim(storage, "one")
        others = await connect(parse(f"{url}/others"), CLOCK)
        await others.create(PODS + "a/x", b"somebody's")
        with pytest.raises(StorageError, match="no cluster of Longboat's put there"):
            await identity.claim(others, "one")
        assert len((await others.list("/registry/")).items) == 1
        assert await identity.read(others) is None
        newer = await connect(parse(f"{url}/newer"), CLOCK)
        await newer.swap_own(newer.keys.identity, None, b'{"id":"one","format":2}')
        with pytest.raises(StorageError, match="newer Longboat"):
            await identity.claim(newer, "one")
        for each in (storage, others, newer):
            await each.close()

    asyncio.run(main())


@pytest.mark.parametrize("name", ETCDS)
def test_reads_are_fresh_though_others_write_beneath_other_prefixes(name: str) -> None:
    async def main() -> None:
        url = shared(name).url
        storage = await connect(parse(f"{url}/fresh"), CLOCK)
        other = await connect(parse(f"{url}/busy"), CLOCK)
        await storage.create(PODS + "a/x", b'{"metadata":{}}')
        feed = Feed(storage, CLOCK)
        cache = WatchCache(storage, PODS, CLOCK, lambda _: ({}, {}), feed=feed)
        await cache.start()
        for _ in range(3):
            revision = await other.create(f"{PODS}a/{await other.current_revision()}", b"")
            async with CLOCK.timeout(5):
                await cache.fresh()
            assert cache.revision >= revision
        assert len(cache) == 1
        await feed.close()
        await storage.close()
        await other.close()

    asyncio.run(main())


def test_one_of_several_servers_forgets_history() -> None:
    async def main() -> None:
        with Etcd(BINARIES["etcd"]) as etcd:
            storages = [await connect(parse(etcd.url), CLOCK) for _ in range(2)]
            one, two = (Compactor(storage, CLOCK) for storage in storages)
            first = await storages[0].create(PODS + "a/0", b"")
            assert [await one.step(), await two.step()] == [True, False]
            await storages[0].create(PODS + "a/1", b"")
            assert [await one.step(), await two.step()] == [True, False]
            with pytest.raises(Compacted):
                await storages[0].list(PODS, at_revision=first)
            assert len((await storages[1].list(PODS)).items) == 2
            head = await storages[0].head()
            assert [await one.step(), await one.step()] == [False, False]
            assert await storages[0].head() == head  # an idle cluster writes nothing
            await storages[0].create(PODS + "a/2", b"")
            assert [await two.step(), await one.step()] == [True, False]
            for storage in storages:
                await storage.close()

    asyncio.run(main())


def test_an_etcd_that_is_full_says_so_and_goes_on_reading() -> None:
    async def main() -> None:
        with Etcd(BINARIES["etcd"], 1, "--quota-backend-bytes", "200000") as etcd:
            storage = await connect(parse(etcd.url), CLOCK)
            kept = await storage.create(PODS + "a/x", b"1")
            with pytest.raises(StorageError, match=r"NOSPACE.*etcdctl alarm disarm"):
                for i in range(2000):
                    await storage.create(f"{PODS}a/{i}", bytes(20_000))
            with pytest.raises(StorageError, match="NOSPACE"):
                await storage.update(PODS + "a/x", b"2", expect=kept)
            assert await storage.get(PODS + "a/x") == Item(PODS + "a/x", b"1", kept)
            with pytest.raises(StorageError, match="larger than etcd takes"):
                await storage.update(PODS + "a/x", bytes(2 << 20), expect=kept)
            await storage.close()

    asyncio.run(main())


class Writer:
    """Writes one key after another and remembers what was acknowledged."""

    def __init__(self, storage: EtcdStorage, name: str) -> None:
        self.storage = storage
        self.name = name
        self.acknowledged: dict[str, int] = {}
        self.longest = 0.0  # seconds between two acknowledged

    async def run(self, until: asyncio.Event) -> None:
        count, last = 0, CLOCK.monotonic()
        while not until.is_set():
            key = f"{PODS}{self.name}/{count}"
            count += 1
            try:
                self.acknowledged[key] = await self.storage.create(key, b"v")
            except StorageError:
                continue  # whether it was written is unknown
            now = CLOCK.monotonic()
            self.longest, last = max(self.longest, now - last), now


async def watched(storage: EtcdStorage, after: int, seen: list[Event]) -> None:
    async for batch in storage.watch(PODS, after):
        if not isinstance(batch, Progress):
            seen.extend(batch)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_losing_a_member_loses_nothing_and_work_goes_on(three: Etcd, number: signal.Signals) -> None:
    """The member that is asked, and whose watch is read, goes: killed, or silent."""

    async def main() -> None:
        storage = await connect(parse(f"{three.url}/lost-{number}"), CLOCK)
        base = await storage.current_revision()
        seen: list[Event] = []
        watching = asyncio.create_task(watched(storage, base, seen))
        until, writer = asyncio.Event(), Writer(storage, "a")
        writing = asyncio.create_task(writer.run(until))
        await CLOCK.sleep(0.3)
        victim = three.members[0]
        victim.send(number)
        try:
            before = len(writer.acknowledged)
            async with CLOCK.timeout(12):
                while len(writer.acknowledged) < before + 100:
                    await CLOCK.sleep(0.05)
            until.set()
            await writing
            assert writer.longest < 4
            there = {item.key: item.revision for item in (await storage.list(PODS)).items}
            assert writer.acknowledged.items() <= there.items()
            async with CLOCK.timeout(12):
                while len(seen) < len(there):
                    await CLOCK.sleep(0.05)
        finally:
            if number == signal.SIGKILL:
                victim.start(three.binary)
            else:
                victim.send(signal.SIGCONT)
        assert [(event.key, event.revision) for event in seen] == sorted(there.items(), key=lambda each: each[1])
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await storage.close()
        victim.wait()

    asyncio.run(main())


def test_without_most_of_its_members_nothing_is_written_and_it_goes_on_when_they_are_back(three: Etcd) -> None:
    async def main() -> None:
        storage = await connect(parse(f"{three.url}/quorum"), CLOCK)
        there = await storage.create(PODS + "a/x", b"1")
        for member in three.members[1:]:
            member.send(signal.SIGSTOP)
        try:
            with pytest.raises(StorageError):
                await storage.update(PODS + "a/x", b"2", expect=there)
        finally:
            for member in three.members[1:]:
                member.send(signal.SIGCONT)
        async with CLOCK.timeout(10):
            while True:
                try:
                    item = await storage.get(PODS + "a/x")
                    break
                except StorageError:
                    continue
        assert item is not None
        assert item.value in (b"1", b"2")  # its outcome was unknown
        await storage.close()

    asyncio.run(main())
