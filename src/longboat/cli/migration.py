"""Bringing the state of a stopped cluster from one store to another.

Values travel as they are stored, sealed ones too. In the new store everything is written after the newest revision of
the old one, so that clients that remember one of those are told that it is too old, and list anew. The new store is the
cluster's only once it holds all of the old one; that one is left as it is.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.assembly import store_record
from longboat.cli import cluster, keyrings
from longboat.cli.errors import Failure
from longboat.cli.steps import Steps
from longboat.storage.etcd import identity
from longboat.storage.etcd import storage as etcd
from longboat.storage.etcd.address import Address
from longboat.storage.interface import Item, Storage, StorageError
from longboat.storage.sqlite import process, snapshot_file
from longboat.storage.sqlite.client import connect

ALL = "/registry/"
PAGE = 500  # values under way at once


class Migration:
    """`root` is the data directory of a cluster that does not run, and does not start meanwhile."""

    def __init__(self, root: Path, source: Path | Address, target: Path | Address, clock: Clock, steps: Steps) -> None:
        self._root = root
        self._source = source
        self._target = target
        self._clock = clock
        self._steps = steps
        recorded = store_record.read(root)
        self._id = recorded[0] if recorded else identity.new()

    async def run(self) -> None:
        """Raises Failure, StorageError, StoreProblem, OSError: the state is where it was then."""
        async with AsyncExitStack() as held:
            source = await self._opened(held)
            revision = await source.current_revision()
            if isinstance(self._target, Address):
                moved = await self._to_etcd(source, revision, self._target, held)
            else:
                moved = await self._to_file(source, revision, self._target)
        self._take_over()
        self._steps.done(f"{moved} objects brought to {self._target}")
        self._steps.note(f"What was in {self._source} before is still there, and is not used any more")

    async def _opened(self, held: AsyncExitStack) -> Storage:
        if isinstance(self._source, Path):
            return await self._file(self._source, held)
        storage = await etcd.connect(self._source, self._clock)
        held.push_async_callback(storage.close)
        found = await identity.check(storage, self._id)
        if found is None:
            raise Failure(f"there is nothing in {self._source}")
        return identity.counted(storage, found)

    async def _file(self, path: Path, held: AsyncExitStack) -> Storage:
        run_dir = self._root / "run"
        run_dir.mkdir(mode=0o700, exist_ok=True)
        store = await process.spawn(str(path), str(run_dir / "migrate.sock"), self._clock)
        held.push_async_callback(store.stop)
        storage = await connect(store.socket, self._clock)
        held.push_async_callback(storage.close)
        return storage

    async def _to_etcd(self, source: Storage, revision: int, address: Address, held: AsyncExitStack) -> int:
        target = await etcd.connect(address, self._clock)
        held.push_async_callback(target.close)
        if await identity.check(target, self._id) is not None:
            raise Failure(f"{address} holds this cluster's state already", "Choose another prefix, or empty that one")
        filling = identity.Identity(self._id, filling=True)
        await identity.put(target, filling)
        ahead = max(0, revision - await target.head())
        moved = await _copy(source, target)
        await _compare(source, target)
        whole = identity.Identity(self._id, ahead=ahead, since=await target.head() + ahead)
        await identity.put(target, whole, over=filling)
        store_record.write(self._root, self._id, address)
        return moved

    async def _to_file(self, source: Storage, revision: int, path: Path) -> int:
        scratch = path.with_name(f".{path.name}.migrating")
        _remove(scratch)
        try:
            snapshot_file.begin_after(str(scratch), revision)
            async with AsyncExitStack() as held:
                target = await self._file(scratch, held)
                moved = await _copy(source, target)
                await _compare(source, target)
                await target.compact(await target.current_revision())
            _sync(scratch)
            os.link(scratch, path)  # which replaces nothing
            _sync(path.parent)
        finally:
            _remove(scratch)
        return moved

    def _take_over(self) -> None:
        """What starts this cluster is told where its state is now."""
        record = store_record.file(self._root)
        if isinstance(self._target, Path):
            os.replace(record, record.with_name(f"{record.name}.before-migration"))
        elif isinstance(self._source, Path):
            for suffix in ("", "-wal", "-shm"):
                part = self._source.with_name(self._source.name + suffix)
                if part.exists():
                    os.replace(part, part.with_name(f"{self._source.name}.before-migration{suffix}"))
            self._source = self._source.with_name(f"{self._source.name}.before-migration")
        local = cluster.load(self._root)
        if local is None:
            place = f"sqlite://{self._target}" if isinstance(self._target, Path) else self._target
            self._steps.note(f"Start it with --store {place} from now on")
            return
        others = {name: value for name, value in local.audit.items() if not name.startswith("store")}
        replace(local, audit=others | _flags(self._target)).save()


def _flags(target: Path | Address) -> dict[str, str]:
    if isinstance(target, Path):
        return {}
    files = {"store-ca": target.ca, "store-cert": target.certificate, "store-key": target.key}
    return {"store": str(target)} | {name: str(path) for name, path in files.items() if path is not None}


async def _pages(storage: Storage) -> AsyncIterator[list[Item]]:
    after, more = "", True
    while more:
        page = await storage.list(ALL, limit=PAGE, after=after)
        yield page.items
        more = page.more
        after = page.items[-1].key if page.items else ""


async def _copy(source: Storage, target: Storage) -> int:
    moved = 0
    async for items in _pages(source):
        await asyncio.gather(
            *(target.create(item.key, item.value, ttl=keyrings.lifetime(item.key)) for item in items)
        )  # fmt: skip
        moved += len(items)
    return moved


async def _compare(source: Storage, target: Storage) -> None:
    """Raises StorageError."""
    theirs = _pages(target)
    async for items in _pages(source):
        found = await anext(theirs)
        if [(item.key, item.value) for item in items] != [(item.key, item.value) for item in found]:
            raise StorageError("what has been written there is not read there: somebody else writes to it too")


def _remove(scratch: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        scratch.with_name(scratch.name + suffix).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
