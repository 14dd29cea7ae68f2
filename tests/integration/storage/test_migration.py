"""`longboat store migrate`: all of it, once, and no revision twice."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from longboat.aio.clock import SystemClock
from longboat.assembly import keys, store_record
from longboat.assembly.control_plane.settings import Settings
from longboat.assembly.control_plane.storage import opened
from longboat.cli import store
from longboat.cli.cluster import Cluster, load
from longboat.cli.errors import Failure, Usage
from longboat.storage.etcd import identity
from longboat.storage.etcd.address import Address, parse
from longboat.storage.etcd.storage import connect
from longboat.storage.interface import Compacted, Item, Storage, StorageError
from suites.etcds import shared

CLOCK = SystemClock()
PODS, EVENTS = "/registry/pods/default/", "/registry/events/default/"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The data directory of a cluster with some objects and some history."""

    async def fill() -> None:
        async with state(tmp_path) as storage:
            for i in range(700):
                revision = await storage.create(f"{PODS}{i:04}", b"%d" % i)
                if i % 100 == 0:
                    await storage.update(f"{PODS}{i:04}", b"\x00\xffsealed", expect=revision)
            await storage.delete(f"{PODS}0699", expect=revision)
            await storage.create(f"{EVENTS}e", b"event", ttl=3600)

    (tmp_path / "run").mkdir(mode=0o700)
    asyncio.run(fill())
    return tmp_path


@pytest.fixture
def address() -> Address:
    return parse(f"{shared('etcd').url}/{secrets.token_hex(6)}")


@asynccontextmanager
async def state(root: Path, etcd: Address | None = None) -> AsyncIterator[Storage]:
    """As a control plane opens it."""
    async with AsyncExitStack() as held:
        settings = Settings(data_dir=root, listen=(("127.0.0.1", 0),), etcd=etcd)
        yield await opened(settings, CLOCK, held)


def look(root: Path, etcd: Address | None = None) -> tuple[Sequence[Item], int]:
    """Everything that is stored, and the newest revision."""

    async def main() -> tuple[Sequence[Item], int]:
        async with state(root, etcd) as storage:
            return (await storage.list("/registry/")).items, await storage.current_revision()

    return asyncio.run(main())


def migrate(root: Path, to: str, *flags: str) -> None:
    assert store.run(["migrate", "--data-dir", str(root), "--to", to, *flags]) == 0


def contents(items: Sequence[Item]) -> list[tuple[str, bytes]]:
    return [(item.key, item.value) for item in items]


def too_old(root: Path, etcd: Address | None, revision: int) -> None:
    """A client of the old store goes on where it was."""

    async def main() -> None:
        async with state(root, etcd) as storage:
            for known in (1, revision):
                with pytest.raises(Compacted):
                    await storage.list("/registry/", at_revision=known)
                with pytest.raises(Compacted):
                    await anext(storage.watch("/registry/", known))

    asyncio.run(main())


def test_there_and_back(root: Path, address: Address, capsys: pytest.CaptureFixture[str]) -> None:
    before, newest = look(root)
    assert len(before) == 700
    migrate(root, str(address))
    assert "700 objects brought to" in capsys.readouterr().out
    assert not (root / "state.db").exists()
    assert (root / "state.db.before-migration").exists()
    there, moved = look(root, address)
    assert contents(there) == contents(before)
    assert newest < min(item.revision for item in there) <= max(item.revision for item in there) <= moved
    assert len({item.revision for item in there}) == 700
    too_old(root, address, newest)

    async def work() -> int:
        """Compare-and-swap, watches and pages go by the revisions that are told."""
        async with state(root, address) as storage:
            revision = await storage.current_revision()
            updated = await storage.update(there[0].key, b"changed", expect=there[0].revision)
            stream = storage.watch("/registry/", revision)
            batch = await anext(stream)
            assert [(event.revision, event.value) for event in batch] == [(updated, b"changed")]  # type: ignore[union-attr]
            await stream.aclose()  # type: ignore[attr-defined]
            assert len((await storage.list(PODS, at_revision=revision, limit=5)).items) == 5
            return updated

    latest = asyncio.run(work())
    assert latest > moved
    migrate(root, f"sqlite://{root}/state.db")
    back, end = look(root)
    assert contents(back)[1:] == contents(before)[1:]
    assert back[0].value == b"changed" if back[0].key == there[0].key else True
    assert latest < min(item.revision for item in back) <= end
    assert store_record.read(root) is None
    too_old(root, None, latest)


def test_events_still_end(root: Path, address: Address) -> None:
    migrate(root, str(address))

    async def main() -> None:
        storage = await connect(address, CLOCK)
        found = await storage.lease_of(f"{EVENTS}e"), await storage.lease_of(f"{PODS}0000")
        assert found[0] != 0
        assert found[1] == 0
        await storage.close()

    asyncio.run(main())


def test_a_cluster_of_up_is_told_where_its_state_is(root: Path, address: Address) -> None:
    Cluster("one", str(root), 6443, audit={"audit-webhook-mode": "blocking"}).save()
    migrate(root, str(address))
    cluster = load(root)
    assert cluster is not None
    assert cluster.audit == {"audit-webhook-mode": "blocking", "store": str(address)}
    with pytest.raises(Usage, match="has its database in"):
        migrate(root, f"sqlite://{root}/other.db")
    migrate(root, f"sqlite://{root}/state.db")
    assert load(root) == replace(cluster, audit={"audit-webhook-mode": "blocking"})


def test_a_running_cluster_is_left_alone(root: Path, address: Address) -> None:
    lock = keys.Lock(root)
    asyncio.run(lock.share(CLOCK))
    try:
        with pytest.raises(Failure, match="is running"):
            migrate(root, str(address))
    finally:
        lock.close()
    assert (root / "state.db").exists()


@pytest.mark.parametrize("said", ['{"id":"other"}', '{"id":"other","filling":true}', None])
def test_a_target_with_anything_in_it_is_refused_and_left_as_it_is(
    root: Path, address: Address, said: str | None
) -> None:
    async def occupy() -> tuple[int, bytes | None]:
        storage = await connect(address, CLOCK)
        if said is not None:
            await storage.swap_own(storage.keys.identity, None, said.encode())
        else:
            await storage.create(PODS + "somebody's", b"")
        found = await storage.head()
        await storage.close()
        return found, said.encode() if said else None

    revision, identity_said = asyncio.run(occupy())
    before = look(root)
    with pytest.raises(Failure, match=r"half filled|holds"):
        migrate(root, str(address))

    async def look_there() -> tuple[int, bytes | None]:
        storage = await connect(address, CLOCK)
        found = await storage.head(), await storage.read_own(storage.keys.identity)
        await storage.close()
        return found

    assert asyncio.run(look_there()) == (revision, identity_said)
    assert look(root) == before


def test_a_copy_that_did_not_finish_is_never_taken_for_the_cluster(
    root: Path, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    from longboat.cli import migration

    async def interrupted(source: Storage, target: Storage) -> None:
        raise StorageError("the etcd is gone")

    before = look(root)
    with monkeypatch.context() as patch:
        patch.setattr(migration, "_compare", interrupted)
        with pytest.raises(Failure, match="the etcd is gone"):
            migrate(root, str(address))
    assert look(root) == before
    with pytest.raises(Failure, match="half filled"):
        migrate(root, str(address))

    async def read() -> identity.Identity | None:
        storage = await connect(address, CLOCK)
        try:
            return await identity.read(storage)
        finally:
            await storage.close()

    found = asyncio.run(read())
    assert found is not None
    assert found.filling


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--to", "sqlite:///somewhere.db"), "from one file to another"),
        (("--to", "memory://"), "is not sqlite:///FILE or etcd"),
        (("--to", "etcd://"), "is not HOST:PORT"),
        ((), "say: longboat store migrate"),
        (("--to", "etcd://a:1", "--from", "sqlite:///none/of/that.db"), "there is no database"),
        (("--to", "etcd://a:1", "--from", "etcd://b:1"), "has no state in"),
    ],
)
def test_what_cannot_be_meant_is_refused(root: Path, flags: tuple[str, ...], said: str) -> None:
    with pytest.raises(Failure, match=said):
        store.run(["migrate", "--data-dir", str(root), *flags])


def test_what_another_store_is_said_to_hold_is_not_believed(root: Path, address: Address) -> None:
    migrate(root, str(address))
    for wrong in (f"sqlite://{root}/state.db.before-migration", f"{address}x"):
        with pytest.raises(Failure, match="is in etcd://"):
            migrate(root, f"sqlite://{root}/state.db", "--from", wrong)
    (root / "state.db").touch()
    with pytest.raises(Failure, match="exists"):
        migrate(root, f"sqlite://{root}/state.db")
    assert json.loads(store_record.file(root).read_text())["store"] == str(address)
